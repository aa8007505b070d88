from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import COVERAGE

from hostaway_sync.records import RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.store import runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Program
    from tests.town import Town

    from hostaway_sync.sandbox import Request

    Build = Callable[..., Town]

# Where a run is cut: between two pages of a list, and in the middle of the threads.
PLACES = {"reservations": ("GET /reservations", 2), "messages": ("GET /conversations/{id}/messages", 20)}


# Requests before which a run may be killed.
KILLED_AT = [
    ("GET /listings", 1),
    *(("GET /reservations", number) for number in (1, 2, 3, 4)),
    *(("GET /conversations", number) for number in (1, 2, 3)),
    *(("GET /conversations/{id}/messages", number) for number in (1, 2, 5, 10, 19)),
]


class Barrier:
    """Holds back the n-th request of a route until told otherwise, and says when it came."""

    def __init__(self, town: Town, route: str, number: int) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self._route = route
        self._left = number
        self._lock = threading.Lock()
        town.sandbox.on_request(self._hold)

    def _hold(self, request: Request) -> None:
        if request.route != self._route:
            return
        with self._lock:
            self._left -= 1
            is_it = self._left == 0
        if is_it:
            self.reached.set()
            self.open.wait(30)


def start(town: Town, *arguments: str) -> subprocess.Popen[str]:
    """Start the program without waiting for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "hostaway_sync", *arguments],
        env=town.environment() | COVERAGE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_cleanly(town: Build, program: Program, number: signal.Signals, code: int, place: str) -> None:
    """The exit code names the signal, the run is marked, the lease is free, and the next run is whole."""
    here = town(reservations=250, switches=Switches(max_limit=100))
    barrier = Barrier(here, *PLACES[place])
    process = start(here, "sync", "70001")
    assert barrier.reached.wait(30)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    barrier.open.set()
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert here.ask("SELECT state, error, finished_at IS NOT NULL FROM sync_runs") == [
        ("failed", "stopped by a signal", True)
    ]
    assert here.ask("SELECT owner FROM leases") == [(None,)]
    assert program(here, "sync", "70001").returncode == 0
    assert here.differences() == {}
    assert here.ask("SELECT count(*) FROM walk_pages") == [(0,)]


@pytest.mark.parametrize("place", PLACES)
def test_after_sigkill_the_next_run_is_clean(town: Build, program: Program, place: str) -> None:
    """The dead run's lease is taken at once, the run is abandoned, and nothing is missing afterwards."""
    here = town(reservations=250, switches=Switches(max_limit=100))
    barrier = Barrier(here, *PLACES[place])
    process = start(here, "sync", "70001")
    assert barrier.reached.wait(30)
    process.kill()
    process.communicate(timeout=20)
    barrier.open.set()
    assert here.ask("SELECT state FROM sync_runs") == [("running",)]
    done = program(here, "sync", "70001")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert here.ask("SELECT state, error FROM sync_runs ORDER BY triggered_at") == [
        ("abandoned", runs.ABANDONED),
        ("success", None),
    ]
    assert here.differences() == {}
    assert here.ask("SELECT count(*) FROM walk_pages") == [(0,)]


@pytest.mark.soak
def test_kills_at_random_requests_never_cost_a_row(town: Build, program: Program) -> None:
    """Fifty runs are killed wherever they happen to be; one quiet full run later the mirror is equal to the source."""
    here = town(reservations=250, switches=Switches(max_limit=100))
    chance = random.Random(50)  # noqa: S311  (a test that can be repeated)
    threads = sorted(here.truth("conversations"))
    killed = 0
    for _ in range(50):
        for conversation_id in chance.sample(threads, 20):
            here.sandbox.world.guest_message(conversation_id)
        barrier = Barrier(here, *chance.choice(KILLED_AT))
        process = start(here, "sync", "70001", *chance.choice([(), ("--full",)]))
        while not barrier.reached.wait(0.05) and process.poll() is None:
            pass  # an incremental run may end before it asks for that much
        if barrier.reached.is_set():
            process.kill()
            killed += 1
        process.communicate(timeout=20)
        barrier.open.set()
    assert killed > 25
    assert program(here, "sync", "70001", "--full").returncode == 0
    assert here.differences() == {}
    assert here.ask("SELECT count(*) FROM conversations WHERE thread_due_at IS NOT NULL") == [(0,)]
    assert here.ask("SELECT count(*) FROM sync_runs WHERE state NOT IN ('abandoned', 'success')") == [(0,)]
    assert here.ask("SELECT owner FROM leases") == [(None,)]


def test_a_database_that_restarts_in_the_middle_costs_nothing(town: Build, program: Program) -> None:
    """Connections cut by an administrator between two pages are made again, and the run is whole."""
    here = town(reservations=250, switches=Switches(max_limit=100))
    cut = []

    def restart(request: Request) -> None:
        if request.route in {"GET /reservations", "GET /conversations"} and request.route not in cut:
            cut.append(request.route)
            here.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    here.sandbox.on_request(restart)
    done = program(here, "sync", "70001")
    assert (done.returncode, done.stderr) == (0, "")
    assert cut
    assert here.differences() == {}
    assert here.mirror().sync(70001).state is RunState.SUCCESS


def test_a_database_that_is_away_is_one_sentence(town: Build, program: Program) -> None:
    """A wrong address or name of the database is no traceback and shows no password."""
    here = town()
    done = program(
        here, "account", "list", DATABASE_URL="postgresql://someone:hunter2@127.0.0.1:1/nowhere?connect_timeout=1"
    )
    assert done.returncode == 1
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1
