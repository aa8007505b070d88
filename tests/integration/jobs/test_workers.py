from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import (
    MANY_RETRIES,
    QUICK,
    deliver,
    drain,
    eventually,
    join_job_threads,
    refreshing,
    worker,
)
from tests.support.programs.worker_programs import (
    end_process,
    is_processed,
    no_op_handlers,
    read_line,
    start_worker_program,
)
from tests.support.records import add_account

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.queue.fetch_loop import WorkerTimings
from hostaway_sync.store import jobs
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.embedded import EmbeddedPostgres


# A worker whose jobs hang once they have said that they began.
HANGING = """
import sys, threading
from hostaway_sync.store.postgres.database import Database
from tests.support.deliveries import MANY_RETRIES, refreshing, worker

def hang(object_id):
    print(object_id, flush=True)
    threading.Event().wait()

database = Database(sys.argv[1], schema="hostaway")
with worker(database, refreshing(database, hang), policy=MANY_RETRIES, drain=False) as working:
    working.wait()
"""

# A process that enqueues the same syncs as another one, at the same time.
ENQUEUING = """
import sys
from functools import partial
from hostaway_sync.store import jobs
from hostaway_sync.store.postgres.database import Database
database = Database(sys.argv[1], schema="hostaway")
print("ready", flush=True)
sys.stdin.readline()
for round in range(50):
    database.transaction(partial(jobs.defer_job, job=jobs.Job(1 + round % 3)))
database.close()
"""


@pytest.fixture
def box(database: Database) -> Database:
    """Give a database with account 1."""
    add_account(database)
    return database


def test_work_of_a_killed_worker_is_given_back(box: Database) -> None:
    """SIGKILL in the middle of a job: another worker finds out by itself, and does it."""
    deliver(box, 1, object_id=7)
    killed = start_worker_program(HANGING, box)
    assert read_line(killed) == "7"
    with worker(box, no_op_handlers(box), drain=False):
        assert not is_processed(box)
        end_process(killed, signal.SIGKILL)
        eventually(lambda: is_processed(box), "it was given back")
    attempt = sql.row(box, "SELECT number, error, next_at FROM job_attempts ORDER BY started_at")
    assert (attempt.number, attempt.error) == (1, "the worker died, or lost the database, in the middle of it")


def test_default_timings_give_jobs_back_within_a_minute() -> None:
    """Silence is noticed, and looked for, often enough."""
    usual = WorkerTimings()
    assert usual.silent_s + usual.rescue_s + usual.poll_s < 60
    assert usual.grace_s + usual.give_back_s < 10
    assert usual.heartbeat_s * 2 < usual.silent_s


def test_a_worker_outlives_its_database(box: Database, server: EmbeddedPostgres) -> None:
    """While the database refuses everyone it waits, and afterwards works on, without anybody's help."""
    with worker(box, no_op_handlers(box), drain=False) as working:
        deliver(box, 1, object_id=1)
        eventually(lambda: is_processed(box), "it works")
        with refusing(server, box):
            eventually(lambda: working.is_waiting, "it has noticed")
        deliver(box, 1, object_id=2)
        eventually(lambda: is_processed(box), "it works again")


def test_a_worker_cut_off_in_a_job_loses_nothing(box: Database, server: EmbeddedPostgres) -> None:
    """The database goes away while a job is in hand, which cannot even be given back: it is rescued and done."""
    deliver(box, 1, object_id=7)
    begun, go_on = threading.Event(), threading.Event()

    def hang_once(*_: object) -> None:
        if not begun.is_set():
            begun.set()
            go_on.wait()

    with worker(box, refreshing(box, hang_once), drain=False) as working:
        assert begun.wait(60)
        with refusing(server, box):
            eventually(lambda: working.is_waiting, "it has noticed")
        eventually(lambda: is_processed(box), "it was rescued")
        go_on.set()
    join_job_threads()


def test_a_worker_whose_heartbeat_fails_starts_again(box: Database) -> None:
    """It never works on without one: others would take it for dead, and its work for theirs."""
    with worker(box, no_op_handlers(box), drain=False):
        first = eventually(lambda: sql.row(box, "SELECT max(id) FROM procrastinate_workers")[0], "it has registered")
        sql.execute(box, "ALTER FUNCTION procrastinate_update_heartbeat_v1 RENAME TO stopped")
        eventually(lambda: (sql.row(box, "SELECT min(id) FROM procrastinate_workers")[0] or 0) > first, "it began anew")
        sql.execute(box, "ALTER FUNCTION stopped RENAME TO procrastinate_update_heartbeat_v1")
        deliver(box, 1, object_id=7)
        eventually(lambda: is_processed(box), "it works")


def test_a_worker_reads_the_url_like_the_other_connections(box: Database) -> None:
    """With spaces in an option and in the password it reaches the same database, and does the work."""
    deliver(box, 1, object_id=7)
    url = box.engine.url.set(password="a b%+c").update_query_dict({"options": "-c lock_timeout=5s"})  # noqa: S106  (nobody's)
    spaced = Database(url.render_as_string(hide_password=False), schema="hostaway")
    drain(spaced, no_op_handlers(spaced))
    spaced.close()
    assert is_processed(box)


def test_draining_ends_when_the_queue_itself_fails(box: Database) -> None:
    """The database answers and no job can be had: it tries again after a moment, and then says so."""
    sql.execute(box, "ALTER FUNCTION procrastinate_fetch_job_v2 RENAME TO stopped")
    timings = replace(QUICK, poll_s=0.2)
    began = time.monotonic()
    failed = pytest.raises(StoreUnavailable, match="the queue cannot be worked off: function procrastinate_fetch_job")
    with failed, worker(box, no_op_handlers(box), timings=timings) as working:
        working.wait()
    assert time.monotonic() - began >= 2 * timings.poll_s


def test_a_worker_outlives_a_bug(box: Database) -> None:
    """What nobody foresaw is logged, and the worker begins anew: deliveries are accepted whether it lives or not."""
    sql.execute(box, "ALTER FUNCTION procrastinate_register_worker_v1 RENAME TO kept")
    sql.execute(
        box,
        "CREATE FUNCTION procrastinate_register_worker_v1() RETURNS TABLE(nobody bigint) LANGUAGE sql AS 'SELECT 1'",
    )
    with worker(box, no_op_handlers(box), drain=False) as working:
        eventually(lambda: working.is_waiting, "it has failed")
        sql.execute(box, "DROP FUNCTION procrastinate_register_worker_v1")
        sql.execute(box, "ALTER FUNCTION kept RENAME TO procrastinate_register_worker_v1")
        deliver(box, 1, object_id=7)
        eventually(lambda: is_processed(box), "it works")


def test_a_worker_that_does_not_end_is_waited_for_once(box: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever stops it a second time, as leaving its block does, has not as long to wait again."""
    sql.execute(box, "ALTER FUNCTION procrastinate_fetch_job_v2 RENAME TO stopped")
    narrow = Database(box.engine.url.render_as_string(hide_password=False), schema="hostaway", pool_size=1)
    held = [narrow.engine.connect()]
    timings = replace(QUICK, grace_s=0.1, give_back_s=0.1)
    try:
        with worker(narrow, {jobs.REFRESH: no_op_handlers(box)[jobs.REFRESH]}, drain=False, timings=timings) as working:
            eventually(
                lambda: "asyncio_0" in [thread.name for thread in threading.enumerate()], "it waits for the database"
            )
            working.stop()
    finally:
        for connection in held:
            connection.close()
    assert caplog.text.count("worker: did not end in time") == 1
    working.wait()
    join_job_threads()
    narrow.close()


def test_two_processes_enqueue_at_once(box: Database) -> None:
    """However they meet, one job an account waits."""
    add_account(box, 2)
    add_account(box, 3)
    pair = [start_worker_program(ENQUEUING, box) for _ in range(2)]
    for process in pair:
        assert read_line(process) == "ready"
    for process in pair:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in pair:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert sql.row(box, "SELECT count(*), count(DISTINCT queueing_lock) FROM procrastinate_jobs") == (3, 3)


@pytest.mark.soak
def test_kills_at_random_lose_no_delivery(box: Database) -> None:
    """Thirty workers are killed one after the other while deliveries come; in the end all are processed."""
    for number in range(30):
        deliver(box, 1, object_id=number + 1)
        process = start_worker_program(HANGING, box)
        read_line(process)
        end_process(process, signal.SIGKILL)
    eventually(lambda: drained(box), "all were processed")


def drained(database: Database) -> bool:
    """Work until nothing is due, and say whether everything is processed."""
    drain(database, no_op_handlers(database), policy=MANY_RETRIES)
    return is_processed(database)


@contextmanager
def refusing(server: EmbeddedPostgres, database: Database) -> Iterator[None]:
    """Let the database refuse everyone while the block runs, as a server does that is away."""
    name = database.engine.url.database
    engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def set_open(value: str) -> None:
        with engine.connect() as connection:
            connection.execute(sa.text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {value}"))
            gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            connection.execute(sa.text(gone), {"name": name})

    set_open("false")
    try:
        yield
    finally:
        set_open("true")
