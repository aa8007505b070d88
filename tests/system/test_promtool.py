from __future__ import annotations

import shutil
import subprocess

import pytest
from tests.support.project.pages import ROOT

from hostaway_sync.observability.meter import Meter
from hostaway_sync.observability.prometheus import render_metrics
from hostaway_sync.webhooks.server.outcomes import OutcomeLog

RULES = sorted(path for path in (ROOT / "deploy").rglob("*.y*ml") if "groups:\n" in path.read_text(encoding="utf-8"))

PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here: install Debian's `prometheus`")


def promtool(*words: str, text: bytes = b"") -> None:
    """Hold something against Prometheus's own rules."""
    answer = subprocess.run([PROMTOOL or "", *words], input=text, capture_output=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_metrics_are_what_prometheus_reads() -> None:
    """Prometheus finds no fault with what `/metrics` answers: neither in form nor in names."""
    meter = Meter()
    OutcomeLog(meter)
    promtool("check", "metrics", text=render_metrics(meter.samples()))


def test_alert_rules_are_what_prometheus_reads() -> None:
    """Prometheus finds no fault with any rules that we ship."""
    for rules in RULES:
        promtool("check", "rules", str(rules))
