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
    """A monitor that records its pings."""

    @property
    def url(self) -> str:
        """Return the address at which it listens."""
        return f"{super().url}/{SECRET}"

    @property
    def words(self) -> list[str]:
        """Return the paths of the pings, without bodies."""
        return [heard.path.removeprefix(f"/{SECRET}") for heard in self.heard]

    @property
    def bodies(self) -> list[str]:
        """Return the bodies of the pings."""
        return [heard.body.decode() for heard in self.heard]


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """Return a monitor that listens."""
    with serving(Monitor()) as opened:
        yield opened


def test_monitor_hears_start_and_success_of_a_run(sync_env: Build, program: Program, monitor: Monitor) -> None:
    """The success has a summary; the run itself prints nothing."""
    env = sync_env()
    done = program(env, "sync-all", PING_URL=monitor.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert monitor.words == ["/start", ""]
    assert "1 accounts, 0 skipped: " in monitor.bodies[1]
    assert "rows changed" in monitor.bodies[1]


def test_failure_ping_has_the_last_lines(sync_env: Build, program: Program, monitor: Monitor) -> None:
    """The body is what a mail from cron would have; no log line at any level has the URL."""
    env = sync_env()
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
    done = program(env, "sync", "70001", PING_URL=monitor.url, LOG_LEVEL="DEBUG", RETRY_ATTEMPTS="1")
    assert done.returncode == 1
    assert monitor.words == ["/start", "/fail"]
    told = monitor.bodies[1].splitlines()
    assert told[-1] == done.stderr.splitlines()[-1]
    assert "GET /reservations" in monitor.bodies[1]
    assert SECRET not in done.stderr


def test_run_that_cannot_begin_pings_a_failure(program: Program, monitor: Monitor) -> None:
    """The database is unreachable."""
    wrong = "postgresql://nobody@127.0.0.1:1/nowhere"
    done = program(None, "sync-all", HOSTAWAY_SYNC_PING_URL=monitor.url, HOSTAWAY_SYNC_DATABASE_URL=wrong)
    assert done.returncode == 1
    assert monitor.words == ["/start", "/fail"]


def test_skipped_and_dry_runs_ping_no_end(sync_env: Build, monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A skipped run pings its start only, a dry run nothing."""
    env = sync_env()
    for name, value in env.environment(PING_URL=monitor.url).items():
        monkeypatch.setenv(name, value)
    leases.acquire_lease(env.database, 70001, process_names.name_this_process())
    with pytest.raises(LeaseHeld), _as_a_command(pings=True) as run:
        run.mirror.sync.run(70001)
    with _as_a_command(pings=False):
        pass
    monitor.release.set()
    assert monitor.words in ([], ["/start"])  # no run waits for it


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_answer_of_the_monitor_does_not_affect_the_run(
    monitor: Monitor, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Only a lasting refusal is worth a warning, which names the host alone."""
    caplog.set_level(logging.DEBUG, "hostaway_sync")
    monitor.status = status
    pings = MonitorPings(SecretStr(monitor.url))
    pings.start()
    pings.success("fine")
    assert monitor.words == ["/start", ""]
    levels = {record.levelname for record in caplog.records}
    assert levels == {200: set(), 302: {"WARNING"}, 404: {"WARNING"}, 500: {"INFO"}}[status]
    assert SECRET not in caplog.text


def test_unreachable_monitor_does_not_affect_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """No warning is written, so that cron sends no mail."""
    caplog.set_level(logging.INFO, "hostaway_sync")
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    pings = MonitorPings(SecretStr(f"http://127.0.0.1:{port}/{SECRET}"))
    pings.start()
    pings.fail("")
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]
    assert SECRET not in caplog.text


def test_slow_monitor_delays_work_only_until_its_timeout(monitor: Monitor, caplog: pytest.LogCaptureFixture) -> None:
    """The monitor never answers: the start does not wait, and the end waits for the set time."""
    caplog.set_level(logging.INFO, "hostaway_sync")
    monitor.release.clear()
    pings = MonitorPings(SecretStr(monitor.url), within=SOON)
    # Without a limit neither ping would return: the monitor answers after this test.
    pings.start()
    started = time.monotonic()
    pings.success("fine")
    assert time.monotonic() - started >= SOON / 2
    assert any("in time" in message or "cannot be pinged" in message for message in caplog.messages)


def test_ping_keeps_the_query_and_the_end_of_its_body(monitor: Monitor) -> None:
    """The word becomes part of the path, and a long text loses its beginning."""
    pings = MonitorPings(SecretStr(f"{monitor.url}/?create=1"))
    pings.start()
    pings.fail("x" * MAX_BODY_BYTES + "the end")
    assert [heard.path for heard in monitor.heard] == [f"/{SECRET}/start?create=1", f"/{SECRET}/fail?create=1"]
    assert len(monitor.bodies[1]) == MAX_BODY_BYTES
    assert monitor.bodies[1].endswith("the end")


def test_failed_run_writes_its_metrics(
    sync_env: Build, program: Program, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing directory is a line on stderr, and changes nothing else."""
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
    """Behave as a command does, and restore the logging of the tests afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with reported(textfile=None, pings=pings) as run:
            yield run
    finally:
        root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("path", ["", "/", "/a", "/a/", "/a/b"])
def test_ping_url_may_have_any_path_or_none(path: str) -> None:
    """The end goes to the URL itself, start and failure below it."""
    with serving(RecordingServer()) as told:
        pings = MonitorPings(SecretStr(told.url + path))
        pings.start()
        pings.fail("mail from ida@guests.example")
        pings.success("all is well")
    plain = path.rstrip("/")
    assert [heard.path for heard in told.heard] == [f"{plain}/start", f"{plain}/fail", plain or "/"]
    assert told.heard[1].body == b"mail from [hidden]"
