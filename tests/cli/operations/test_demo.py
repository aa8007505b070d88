from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from tests.support.programs.forked import start_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.programs.program import Program


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Return a directory that root's embedded server can reach, too."""
    with tempfile.TemporaryDirectory(prefix="hostaway-sync-demo-") as directory:
        path = Path(directory)
        path.chmod(0o711)
        yield path


def test_demo_shows_commands_and_leaves_no_process(program: Program, data_dir: Path) -> None:
    """Each command precedes its output; the demo's data lie apart from the user's, its views have the usual name."""
    done = program(None, "demo", HOSTAWAY_SYNC_DATA_DIR=str(data_dir), HOSTAWAY_SYNC_CORE_SCHEMA="analytics")
    assert done.returncode == 0, done.stderr
    shown = done.stdout
    for expected in (
        "$ hostaway-sync account add 70001",
        "$ hostaway-sync sync 70001 --full",
        "$ hostaway-sync account list",
        "$ hostaway-sync calendar show 3001",
        "Mon ",
        "last read whole on",
        "which guests wait for an answer?",
        "GROUP BY month",
        "which are the two worst reviews?",
        "$ hostaway-sync history 412000",
        "status new → cancelled",
        "which house was fullest last month?",
        "crontab.example",
    ):
        assert expected in shown
    assert shown.count("success") >= 10
    assert {entry.name for entry in data_dir.iterdir()} == {"demo", "demo.lock"}
    assert not _processes_in(data_dir)


def test_killed_demo_does_not_disturb_the_next(data_dir: Path) -> None:
    """The next one stops its server and removes its data, and prints nothing about a key that is gone."""
    killed = _demo_that_added_its_account(data_dir)
    killed.kill()
    killed.communicate(timeout=60)
    assert _processes_in(data_dir)
    (left,) = (data_dir / "demo").iterdir()
    stopped = _demo_that_added_its_account(data_dir)
    stopped.terminate()
    assert stopped.communicate(timeout=60)[1] == ""
    assert stopped.returncode == 143
    (fresh,) = (data_dir / "demo").iterdir()
    assert fresh != left
    assert not _processes_in(data_dir)


def test_embedded_database_is_migrated_without_a_command(program: Program, data_dir: Path) -> None:
    """With a directory as the only setting, the first command works, and the second finds its account."""
    for _ in range(2):
        done = program(None, "account", "list", "--json", HOSTAWAY_SYNC_DATA_DIR=str(data_dir))
        assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
    assert program(None, "migrate", "--check", HOSTAWAY_SYNC_DATA_DIR=str(data_dir)).returncode == 0


def _processes_in(directory: Path) -> list[object]:
    return [
        process.info
        for process in psutil.process_iter(["name", "cwd"])
        if (process.info["cwd"] or "").startswith(str(directory))
    ]


def _demo_that_added_its_account(data_dir: Path) -> subprocess.Popen[str]:
    environment = {"HOSTAWAY_SYNC_DATA_DIR": str(data_dir)}
    demo = start_beside(environment, "demo", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert demo.stdout is not None
    assert any("Account 70001 added." in line for line in demo.stdout)
    return demo
