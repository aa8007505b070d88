"""The jobs of a killed worker are taken over at once, and no living worker loses a job by that.

Silence proves a worker dead after a day here. Whatever is taken over sooner, its process was seen to be gone.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import MANY_RETRIES, QUICK, deliver, eventually, refreshing, worker
from tests.support.programs.forked import start_beside
from tests.support.programs.worker_programs import (
    end_process,
    is_processed,
    no_op_handlers,
    read_line,
    start_worker_program,
)
from tests.support.records import add_account

from hostaway_sync.model.records import Resource
from hostaway_sync.queue import maintenance
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store import jobs
from hostaway_sync.store.processes import rights, workers
from hostaway_sync.store.processes.names import name_this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.store.postgres.database import Database

    Build = Callable[..., SyncEnv]

DAY = timedelta(days=1)
PATIENT = replace(QUICK, silent_s=DAY.total_seconds())
ELSEWHERE = "far/boot/pid:[1]/77/123"

# A worker whose first job hangs until a line comes; to it, silence of other workers proves nothing.
HANGING = """
import sys
from dataclasses import replace
from hostaway_sync.store.postgres.database import Database
from tests.support.deliveries import MANY_RETRIES, QUICK, refreshing, worker

def hang(object_id):
    print(object_id, flush=True)
    sys.stdin.readline()

database = Database(sys.argv[1], schema="hostaway")
timings = replace(QUICK, silent_s=86400.0)
with worker(database, refreshing(database, hang), policy=MANY_RETRIES, drain=False, timings=timings) as working:
    working.wait()
"""

# Every session of a process that listens or fetches jobs, but none of those that do jobs.
OF_THE_QUEUE = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%: queue'"
SESSIONS = f"SELECT count(*) {OF_THE_QUEUE}"
CUT = f"SELECT count(pg_terminate_backend(pid, 10000)) {OF_THE_QUEUE}"


@pytest.fixture
def box(database: Database) -> Database:
    """Return a database with account 1."""
    add_account(database)
    return database


@pytest.fixture
def hanging(box: Database) -> Iterator[subprocess.Popen[str]]:
    """Return a worker in a process of its own that hangs in a job for object 7."""
    deliver(box, 1, object_id=7)
    process = start_worker_program(HANGING, box)
    try:
        assert read_line(process) == "7"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("drain", [False, True])
def test_successor_takes_over_the_jobs_of_a_killed_worker(
    box: Database, hanging: subprocess.Popen[str], *, drain: bool
) -> None:
    """With and without --drain: the job is done, and the interrupted attempt is stored."""
    end_process(hanging, signal.SIGKILL)
    with worker(box, no_op_handlers(box), drain=drain, timings=PATIENT) as working:
        if drain:
            working.wait()
        eventually(lambda: is_processed(box), "it was taken over")
    attempt = sql.row(box, "SELECT number, error FROM job_attempts")
    assert (attempt.number, attempt.error) == (1, "the worker died, or lost the database, in the middle of it")
    assert sql.row(box, "SELECT count(*) FROM procrastinate_jobs") == (0,)


def test_running_worker_takes_over_jobs_of_a_killed_one(box: Database, hanging: subprocess.Popen[str]) -> None:
    """It looks for dead workers by itself, and finds none before the kill."""
    with worker(box, no_op_handlers(box), drain=False, timings=PATIENT):
        assert not is_processed(box)
        end_process(hanging, signal.SIGKILL)
        eventually(lambda: is_processed(box), "it was taken over")


def test_paused_worker_keeps_its_job(box: Database, hanging: subprocess.Popen[str]) -> None:
    """A process that stands still for long is alive: only the jobs of the killed one are taken over."""
    hanging.send_signal(signal.SIGSTOP)
    deliver(box, 1, object_id=8)
    killed = start_worker_program(HANGING, box)
    assert read_line(killed) == "8"
    end_process(killed, signal.SIGKILL)
    done: list[int] = []
    with worker(box, refreshing(box, done.append), drain=False, timings=PATIENT):
        eventually(lambda: done == [8], "the job of the killed worker was taken over")
        deliver(box, 1, object_id=9)
        eventually(lambda: done == [8, 9], "it goes on")
        hanging.send_signal(signal.SIGCONT)
        assert hanging.stdin is not None
        hanging.stdin.write("go on\n")
        hanging.stdin.flush()
        eventually(lambda: is_processed(box), "the paused worker has done its own job")
    assert done == [8, 9]
    assert [row.number for row in rows(box, "SELECT number FROM job_attempts")] == [1]


def test_worker_with_broken_connections_is_not_dead(box: Database, hanging: subprocess.Popen[str]) -> None:
    """It reconnects and does its job; at no moment between does it count as dead."""
    assert sql.row(box, CUT)[0] > 0
    removed: list[int] = []

    def came_back() -> bool:
        removed.extend(box.transaction(workers.remove_dead_workers))
        return bool(sql.row(box, SESSIONS)[0])

    eventually(came_back, "it came back")
    assert hanging.stdin is not None
    hanging.stdin.write("go on\n" * 99)
    hanging.stdin.flush()
    eventually(lambda: came_back() and is_processed(box), "it has done its job")
    assert removed == []


@pytest.mark.parametrize(
    ("owner", "beat_ago", "is_taken"),
    [
        ("killed", timedelta(0), True),
        ("killed", 2 * DAY, True),
        ("here", timedelta(0), False),
        ("here", 2 * DAY, True),
        ("elsewhere", timedelta(0), False),
        ("elsewhere", 2 * DAY, True),
        (None, timedelta(0), False),  # a program of the last release
        (None, 2 * DAY, True),
    ],
)
def test_only_jobs_of_dead_workers_are_taken_over(
    box: Database, owner: str | None, beat_ago: timedelta, *, is_taken: bool
) -> None:
    """A dead process of this host loses them at once, a process of another host after its silence only."""
    names = {"killed": a_dead_process(), "here": name_this_process(), "elsewhere": ELSEWHERE}
    number = registered(box, owner and names[owner], beat_ago)
    begin(box, number)
    taken = maintenance.rescue_stalled_jobs(box, MANY_RETRIES, [jobs.REFRESH], silent_for=DAY)
    assert taken == is_taken
    assert sql.row(box, "SELECT count(*) FROM procrastinate_workers")[0] == (owner != "killed")


def test_only_dead_workers_are_removed(box: Database) -> None:
    """Their claims go with them, other claims stay; a worker that another process removes is skipped."""
    names = [a_dead_process(), name_this_process(), ELSEWHERE, a_dead_process()]
    numbers = [registered(box, name, timedelta(0)) for name in names]
    box.transaction(partial(rights.claim_right, right="sender of something", owner=ELSEWHERE))
    with box.engine.begin() as other:
        query = sa.text("SELECT 1 FROM hostaway.procrastinate_workers WHERE id = :id FOR UPDATE")
        other.execute(query, {"id": numbers[3]})
        assert box.transaction(workers.remove_dead_workers) == numbers[:1]
    assert box.transaction(workers.remove_dead_workers) == numbers[3:]
    assert box.transaction(workers.remove_dead_workers) == []
    left = {row.name for row in rows(box, "SELECT name FROM rights WHERE owner IS NOT NULL")}
    assert left == {"sender of something", *(workers.name_worker_right(number) for number in numbers[1:3])}


def test_registered_worker_holds_a_claim(box: Database) -> None:
    """Each heartbeat renews it, and the end of the worker releases it."""
    claims = "SELECT name, expires_at FROM rights WHERE name LIKE 'worker %' ORDER BY name"
    registered_ones = "SELECT 'worker ' || id AS name FROM procrastinate_workers ORDER BY name"
    with worker(box, no_op_handlers(box), drain=False, timings=PATIENT):
        first = eventually(lambda: claimed if len(claimed := rows(box, claims)) == 2 else None, "both lanes claim")
        assert [row.name for row in first] == [row.name for row in rows(box, registered_ones)]
        ends = [row.expires_at for row in first]
        eventually(
            lambda: all(row.expires_at > end for row, end in zip(rows(box, claims), ends, strict=True)), "renewed"
        )
    assert rows(box, claims) == []


@pytest.mark.parametrize("words", [("worker",), ("serve-webhooks", "--port", "0")])
def test_killed_program_loses_its_job_to_its_successor(sync_env: Build, words: tuple[str, ...]) -> None:
    """Worker and receiver: both sent a heartbeat just before the kill, and their successors do not wait."""
    env = sync_env()
    asked, gate = threading.Event(), threading.Event()
    env.sandbox.on_request(lambda _: asked.set())
    env.sandbox.faults.add(faults.silence(gate))
    deliver(env.database, env.account_id, Resource.LISTINGS, min(env.truth("listings")))
    first = program(env, *words)
    try:
        assert asked.wait(60)
    finally:
        first.kill()
        first.wait()
    # As if its last heartbeat lay four minutes ahead: by silence alone, no worker takes over for so long.
    sql.execute(env.database, "UPDATE procrastinate_workers SET last_heartbeat = now() + interval '4 min'")
    successor = program(env, *words)
    try:
        eventually(lambda: is_processed(env.database), "it was taken over")
    finally:
        successor.kill()
        successor.wait()
        gate.set()


def program(env: SyncEnv, *words: str) -> subprocess.Popen[str]:
    """Start the program."""
    return start_beside(env.environment(), *words)


def a_dead_process() -> str:
    """Return the name of a process of this host that has ended."""
    naming = "from hostaway_sync.store.processes.names import name_this_process; print(name_this_process())"
    return subprocess.run([sys.executable, "-c", naming], check=True, capture_output=True, text=True).stdout.strip()


def registered(database: Database, owner: str | None, beat_ago: timedelta) -> int:
    """Register a worker with its last heartbeat so long ago; return its number."""

    def register(connection: sa.Connection) -> int:
        insert = sa.text(
            "INSERT INTO hostaway.procrastinate_workers (last_heartbeat) VALUES (now() - :ago) RETURNING id"
        )
        number: int = connection.execute(insert, {"ago": beat_ago}).scalar_one()
        if owner is not None:
            rights.claim_right(connection, workers.name_worker_right(number), owner)
        return number

    return database.transaction(register)


def begin(database: Database, worker_id: int) -> None:
    """Give a job to a worker."""
    deliver(database, 1, object_id=7)
    sql.execute(database, f"UPDATE procrastinate_jobs SET status = 'doing', worker_id = {worker_id}")


def rows(database: Database, query: str) -> list[Any]:
    """Return the rows of a query on our tables."""

    def read(connection: sa.Connection) -> list[Any]:
        connection.execute(sa.text("SET LOCAL search_path TO hostaway"))
        return list(connection.execute(sa.text(query)))

    return database.transaction(read)
