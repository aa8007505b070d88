from __future__ import annotations

import json
import logging
import socket
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from tests.support.servers.recording_server import RecordingServer, serving

from hostaway_sync.cli.process.monitoring import reported
from hostaway_sync.errors import LeaseHeld, RunIncomplete
from hostaway_sync.observability.monitor_pings import MAX_BODY_BYTES, MonitorPings
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

SECRET = "a-uuid-that-is-a-secret"  # noqa: S105  (obviously not one)
SOON = 0.3


class Monitor(RecordingServer):
    """Somebody who is told."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{super().url}/{SECRET}"

    @property
    def words(self) -> list[str]:
        """What it was told, without the bodies."""
        return [heard.path.removeprefix(f"/{SECRET}") for heard in self.heard]

    @property
    def bodies(self) -> list[str]:
        """What it was told at length."""
        return [heard.body.decode() for heard in self.heard]


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """Give a monitor that listens."""
    with serving(Monitor()) as opened:
        yield opened


def test_a_run_is_announced_and_its_end_told(sync_env: Build, program: Program, monitor: Monitor) -> None:
    """Start and success with a summary; a run that is well prints nothing all the same."""
    env = sync_env()
    done = program(env, "sync-all", PING_URL=monitor.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert monitor.words == ["/start", ""]
    assert "1 accounts, 0 skipped: " in monitor.bodies[1]
    assert "rows changed" in monitor.bodies[1]


def test_a_failure_is_told_with_its_last_lines(sync_env: Build, program: Program, monitor: Monitor) -> None:
    """The body is what a mail from cron would say, and the URL is in no line, however much is logged."""
    env = sync_env()
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
    done = program(env, "sync", "70001", PING_URL=monitor.url, LOG_LEVEL="DEBUG", RETRY_ATTEMPTS="1")
    assert done.returncode == 1
    assert monitor.words == ["/start", "/fail"]
    told = monitor.bodies[1].splitlines()
    assert told[-1] == done.stderr.splitlines()[-1]
    assert "GET /reservations" in monitor.bodies[1]
    assert SECRET not in done.stderr


def test_what_cannot_even_begin_is_told(program: Program, monitor: Monitor) -> None:
    """A database that is not there is a failed run."""
    wrong = "postgresql://nobody@127.0.0.1:1/nowhere"
    done = program(None, "sync-all", HOSTAWAY_SYNC_PING_URL=monitor.url, HOSTAWAY_SYNC_DATABASE_URL=wrong)
    assert done.returncode == 1
    assert monitor.words == ["/start", "/fail"]


def test_another_run_at_work_is_no_failure(sync_env: Build, monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the one that is held up nor a dry run says how it ended; the latter does not even begin."""
    env = sync_env()
    for name, value in env.environment(PING_URL=monitor.url).items():
        monkeypatch.setenv(name, value)
    leases.acquire_lease(env.database, 70001, process_names.name_this_process())
    with pytest.raises(LeaseHeld), _as_a_command(pings=True) as run:
        run.mirror.sync.run(70001)
    with _as_a_command(pings=False):
        pass
    monitor.release.set()
    assert monitor.words in ([], ["/start"])  # it is not waited for


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_whatever_the_monitor_answers_the_work_goes_on(
    monitor: Monitor, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Only an answer that will be the same tomorrow is worth a warning, which names the host alone."""
    caplog.set_level(logging.DEBUG, "hostaway_sync")
    monitor.status = status
    pings = MonitorPings(SecretStr(monitor.url))
    pings.start()
    pings.success("fine")
    assert monitor.words == ["/start", ""]
    levels = {record.levelname for record in caplog.records}
    assert levels == {200: set(), 302: {"WARNING"}, 404: {"WARNING"}, 500: {"INFO"}}[status]
    assert SECRET not in caplog.text


def test_a_dead_monitor_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens there; that is worth no mail from cron."""
    caplog.set_level(logging.INFO, "hostaway_sync")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    pings = MonitorPings(SecretStr(f"http://127.0.0.1:{port}/{SECRET}"))
    pings.start()
    pings.fail("")
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert SECRET not in caplog.text


def test_slow_monitor_delays_work_only_until_its_timeout(monitor: Monitor, caplog: pytest.LogCaptureFixture) -> None:
    """It accepts, and never answers: the start does not wait for it, and the end does for so long as is said."""
    caplog.set_level(logging.INFO, "hostaway_sync")
    monitor.release.clear()
    pings = MonitorPings(SecretStr(monitor.url), within=SOON)
    # Without a limit neither of the two would come back: the monitor answers when this test is over.
    pings.start()
    started = time.monotonic()
    pings.success("fine")
    assert time.monotonic() - started >= SOON / 2
    assert any("in time" in message or "cannot be pinged" in message for message in caplog.messages)


def test_a_url_keeps_its_query_and_the_body_its_end(monitor: Monitor) -> None:
    """The word goes into the path, and of a long story the last lines count."""
    pings = MonitorPings(SecretStr(f"{monitor.url}/?create=1"))
    pings.start()
    pings.fail("x" * MAX_BODY_BYTES + "the end")
    assert [heard.path for heard in monitor.heard] == [f"/{SECRET}/start?create=1", f"/{SECRET}/fail?create=1"]
    assert len(monitor.bodies[1]) == MAX_BODY_BYTES
    assert monitor.bodies[1].endswith("the end")


def test_metrics_are_written_of_a_run_that_fails_too(
    sync_env: Build, program: Program, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a directory that is not there is a line on stderr, and nothing else."""
    env = sync_env()
    for name, value in env.environment(METRICS_TEXTFILE_DIR=str(tmp_path)).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunIncomplete), _as_a_command(pings=True):
        raise RunIncomplete("so it is")
    assert "hostaway_sync_accounts" in (tmp_path / "hostaway_sync.prom").read_text()
    done = program(env, "sync", "70001", "--metrics-textfile", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)
    line = json.loads(done.stderr)
    assert (line["level"], "nowhere" in line["event"]) == ("warning", True)


@contextmanager
def _as_a_command(*, pings: bool) -> Iterator[Any]:
    """Do as a command does, and leave the logging of the tests as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with reported(textfile=None, pings=pings) as run:
            yield run
    finally:
        root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("path", ["", "/", "/a", "/a/", "/a/b"])
def test_a_monitor_may_have_any_path_or_none(path: str) -> None:
    """The end goes to the URL itself, start and failure below it."""
    with serving(RecordingServer()) as told:
        pings = MonitorPings(SecretStr(told.url + path))
        pings.start()
        pings.fail("mail from ida@guests.example")
        pings.success("all is well")
    plain = path.rstrip("/")
    assert [heard.path for heard in told.heard] == [f"{plain}/start", f"{plain}/fail", plain or "/"]
    assert told.heard[1].body == b"mail from [hidden]"
