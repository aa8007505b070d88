from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.support.project.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
MOST_EXPOSED = 2.0
"""Of ten; what is left is the network, and this user's own directory."""

ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here: install Debian's `systemd`")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a directory with our units, whose program is one that this machine has."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/opt/hostaway-sync/bin/hostaway-sync", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return tmp_path


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze."""
    return subprocess.run(
        [ANALYZE or "", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_systemd_accepts_our_units(installed: Path) -> None:
    """It knows every setting, and can read every value."""
    answer = analyze("verify", *(str(installed / unit.name) for unit in UNITS))
    assert (answer.returncode, answer.stdout + answer.stderr) == (0, "")


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_services_are_little_exposed(installed: Path, service: Path) -> None:
    """Systemd's own measure of a service's exposure stays low."""
    answer = analyze("security", "--offline=true", "--no-pager", str(installed / service.name))
    assert answer.returncode == 0, answer.stderr
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", answer.stdout)
    assert float(exposure) <= MOST_EXPOSED


def test_timer_runs_every_hour() -> None:
    """Systemd reads the timer's calendar as once an hour."""
    text = (ROOT / "deploy" / "systemd" / "hostaway-sync.timer").read_text(encoding="utf-8")
    (calendar,) = re.findall(r"^OnCalendar=(.+)$", text, re.MULTILINE)
    answer = analyze("calendar", "--iterations=3", calendar)
    assert answer.returncode == 0, answer.stderr
    assert "*-*-* *:17:00" in answer.stdout
