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
    """Check a file with Prometheus's own tool."""
    answer = subprocess.run([PROMTOOL or "", *words], input=text, capture_output=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_prometheus_accepts_our_metrics() -> None:
    """It finds no fault with form and names of `/metrics`."""
    meter = Meter()
    OutcomeLog(meter)
    promtool("check", "metrics", text=render_metrics(meter.samples()))


def test_prometheus_accepts_our_alert_rules() -> None:
    """It finds no fault with any rule file of the project."""
    for rules in RULES:
        promtool("check", "rules", str(rules))
