from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from tests.support.project.commands import refused, unknown_settings
from tests.support.project.pages import ROOT, blocks

if TYPE_CHECKING:
    from pathlib import Path

Unit = dict[str, list[str]]

DIRECTORY = ROOT / "deploy" / "systemd"
SERVICES = sorted(DIRECTORY.glob("*.service"))
DAEMONS = [path for path in SERVICES if path.stem != "hostaway-sync"]
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(DIRECTORY.iterdir())]
TEXTS += [block.text for block in blocks("ini")]
PROGRAM = "/opt/hostaway-sync/bin/hostaway-sync"


def settings(text: str) -> Unit:
    """Return the values of every setting of a unit, in order."""
    unit: Unit = {}
    for line in text.splitlines():
        if line and line[0] not in "#;[":
            name, _, value = line.partition("=")
            unit.setdefault(name, []).append(value)
    return unit


def read(path: Path) -> Unit:
    """Return the settings of a unit that we ship."""
    return settings(path.read_text(encoding="utf-8"))


def test_there_is_a_unit_for_everything_that_runs_by_itself() -> None:
    """The run, its timer, the receiver, the worker and the API have a unit each."""
    assert {path.name for path in DIRECTORY.iterdir()} >= {
        "hostaway-sync.service",
        "hostaway-sync.timer",
        "hostaway-sync-webhooks.service",
        "hostaway-sync-worker.service",
        "hostaway-sync-api.service",
    }


def test_units_start_what_the_program_knows() -> None:
    """Each ExecStart, of our units and of those on pages, is a command that the program takes as it is written."""
    commands = [command for text in TEXTS for command in settings(text).get("ExecStart", [])]
    assert all(shlex.split(command)[0] == PROGRAM for command in commands)
    assert refused(commands) == {}


def test_units_set_what_the_program_knows() -> None:
    """Each setting and each credential that a unit names is one of the program's."""
    assert unknown_settings(*TEXTS) == set()


def test_units_end_well_with_the_codes_that_mean_no_harm() -> None:
    """A run may find every account leased, and a service may be told to stop; no other code counts as success."""
    assert read(DIRECTORY / "hostaway-sync.service")["SuccessExitStatus"] == ["75"]
    assert [read(path)["SuccessExitStatus"] for path in DAEMONS] == [["143"]] * len(DAEMONS)


@pytest.mark.parametrize("path", DAEMONS, ids=lambda path: path.stem)
def test_services_are_restarted_and_watched(path: Path) -> None:
    """Receiver, worker and API tell systemd that they live, and have more time to stop than they need."""
    unit = read(path)
    assert (unit["Type"], unit["Restart"], unit["WatchdogSec"]) == (["notify"], ["always"], ["60"])
    assert int(unit["TimeoutStopSec"][0]) > 10


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_units_keep_secrets_out_of_sight(path: Path) -> None:
    """Secrets come as credentials, and the service may write its own directory and nothing else."""
    unit = read(path)
    assert [value.partition(":")[0] for value in unit["LoadCredential"]] == [
        "hostaway_sync_database_url",
        "hostaway_sync_master_key",
    ]
    assert not any(re.search("URL|KEY|SECRET", value) for value in unit["Environment"])
    assert (unit["NoNewPrivileges"], unit["ProtectSystem"]) == (["yes"], ["strict"])
    assert (unit["User"], unit["StateDirectory"]) == (["hostaway-sync"], ["hostaway-sync"])


def test_units_agree_on_what_they_share() -> None:
    """All services run as one user in one directory, with the same restrictions."""
    own = {"Description", "After", "Type", "ExecStart", "SuccessExitStatus", "TimeoutStartSec", "TimeoutStopSec"}
    own |= {"Nice", "Restart", "RestartSec", "WatchdogSec", "WantedBy"}
    shared = [{name: value for name, value in read(path).items() if name not in own} for path in SERVICES]
    assert all(one == shared[0] for one in shared)


def test_timer_keeps_off_the_full_hour() -> None:
    """The timer starts at no minute at which everybody's do, and makes up for what was missed."""
    unit = read(DIRECTORY / "hostaway-sync.timer")
    (minute,) = re.findall(r"\*:(\d+)", unit["OnCalendar"][0])
    assert int(minute) % 15
    assert unit["Persistent"] == ["yes"]
