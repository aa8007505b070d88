from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.barrier import Barrier
from tests.support.programs.forked import start_beside
from tests.support.sync_env import SMALL_PAGE

from hostaway_sync.model.records import RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.store.runs import states as run_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request

    Build = Callable[..., SyncEnv]

# Where a run is interrupted: between two pages of a list, and in the middle of the threads.
PLACES = {"reservations": ("GET /reservations", 2), "messages": ("GET /conversations/{id}/messages", 8)}


def start(env: SyncEnv, *arguments: str) -> subprocess.Popen[str]:
    """Start the program without waiting for it."""
    return start_beside(env.environment(), *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_a_run_cleanly(
    sync_env: Build, program: Program, number: signal.Signals, code: int, place: str
) -> None:
    """The exit code names the signal, the run's state says so, the lease is free, and the next run is whole."""
    env = sync_env(reservations=15, switches=Switches(max_limit=SMALL_PAGE))
    barrier = Barrier(env.sandbox, *PLACES[place])
    process = start(env, "sync", "70001")
    barrier.wait()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    barrier.open.set()
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert sql.rows(env.database, "SELECT state, error, finished_at IS NOT NULL FROM sync_runs") == [
        ("failed", "stopped by a signal", True)
    ]
    assert sql.rows(env.database, "SELECT owner FROM leases") == [(None,)]
    assert program(env, "sync", "70001").returncode == 0
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT count(*) FROM walk_pages") == [(0,)]


@pytest.mark.parametrize("place", PLACES)
def test_run_after_a_sigkill_is_whole(sync_env: Build, program: Program, place: str) -> None:
    """It takes the lease at once, marks the dead run as abandoned, and misses no row."""
    env = sync_env(reservations=15, switches=Switches(max_limit=SMALL_PAGE))
    barrier = Barrier(env.sandbox, *PLACES[place])
    process = start(env, "sync", "70001")
    barrier.wait()
    process.kill()
    process.communicate(timeout=60)
    barrier.open.set()
    assert sql.rows(env.database, "SELECT state FROM sync_runs") == [("running",)]
    done = program(env, "sync", "70001")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sql.rows(env.database, "SELECT state, error FROM sync_runs ORDER BY triggered_at") == [
        ("abandoned", run_states.ABANDONED),
        ("success", None),
    ]
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT count(*) FROM walk_pages") == [(0,)]


@pytest.mark.parametrize("number", [3, 6], ids=["in the middle of the list", "at its end"])
def test_full_run_resumes_after_sigkill_at_its_last_page(sync_env: Build, program: Program, number: int) -> None:
    """Of five pages, the next run asks only for the missing ones, and for the top of the list."""
    env = sync_env(reservations=90, conversations=False, switches=Switches(max_limit=20))
    barrier = Barrier(env.sandbox, "GET /reservations", number)
    process = start(env, "sync", "70001")
    barrier.wait()
    # One page is written while the next one is requested.
    written = "SELECT count(*) FROM walk_pages WHERE resource = 'reservations'"
    while sql.rows(env.database, written) != [(number - 1,)]:
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    barrier.open.set()
    while env.sandbox.calls["GET /reservations"] < number:
        time.sleep(0.01)  # until the request of the killed process is counted, too
    env.sandbox.forget()
    done = program(env, "sync", "70001", "--full")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert env.sandbox.calls["GET /reservations"] == 7 - (number - 1)
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT state FROM sync_runs ORDER BY triggered_at") == [("abandoned",), ("success",)]
    assert (
        sql.rows(env.database, "SELECT count(*) FROM walk_pages")
        == sql.rows(env.database, "SELECT count(*) FROM walks")
        == [(0,)]
    )


def test_run_survives_cut_database_connections(sync_env: Build, program: Program) -> None:
    """An administrator cuts the connections between two pages; the run reconnects and is whole."""
    env = sync_env(reservations=15, switches=Switches(max_limit=SMALL_PAGE))
    cut = []

    def restart(request: Request) -> None:
        if request.route in {"GET /reservations", "GET /conversations"} and request.route not in cut:
            cut.append(request.route)
            sql.execute(
                env.database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )

    env.sandbox.on_request(restart)
    done = program(env, "sync", "70001")
    assert (done.returncode, done.stderr) == (0, "")
    assert cut
    assert env.differences() == {}
    assert env.mirror().sync.run(70001).state is RunState.SUCCESS


def test_unreachable_database_prints_one_sentence(sync_env: Build, program: Program) -> None:
    """A wrong address or name gives no traceback and shows no password."""
    env = sync_env()
    done = program(
        env, "account", "list", DATABASE_URL="postgresql://someone:hunter2@127.0.0.1:1/nowhere?connect_timeout=1"
    )
    assert done.returncode == 1
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1
