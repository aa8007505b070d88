from __future__ import annotations

import signal
import threading
import time
from contextlib import closing, contextmanager
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


# A worker whose jobs report their start and then hang.
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
    """Return a database with account 1."""
    add_account(database)
    return database


@pytest.fixture
def waiting(box: Database) -> Iterator[Database]:
    """Return the same database, whose attempts are apart: others ask a server that is away all the time."""
    url = box.engine.url.render_as_string(hide_password=False)
    with closing(Database(url, schema=box.schema, patience=1.0)) as database:
        yield database


def test_job_of_a_killed_worker_is_done_by_another(box: Database) -> None:
    """SIGKILL in the middle of a job: another worker finds out by itself."""
    deliver(box, 1, object_id=7)
    killed = start_worker_program(HANGING, box)
    assert read_line(killed) == "7"
    with worker(box, no_op_handlers(box), drain=False):
        assert not is_processed(box)
        end_process(killed, signal.SIGKILL)
        eventually(lambda: is_processed(box), "it was given back")
    attempt = sql.row(box, "SELECT number, error, next_at FROM job_attempts ORDER BY started_at")
    assert (attempt.number, attempt.error) == (1, "the worker died, or lost the database, in the middle of it")


def test_default_timings_return_jobs_within_a_minute() -> None:
    """Workers send heartbeats, and look for silent ones, often enough."""
    usual = WorkerTimings()
    assert usual.silent_s + usual.rescue_s + usual.poll_s < 60
    assert usual.grace_s + usual.give_back_s < 10
    assert usual.heartbeat_s * 2 < usual.silent_s


def test_database_closed_for_a_while_is_waited_for(box: Database, server: EmbeddedPostgres) -> None:
    """A refused log-in is no refusal for good: a worker that took it for one would end."""
    url = box.engine.url.render_as_string(hide_password=False)
    refused = pytest.raises(StoreUnavailable, match="not currently accepting connections")
    with closing(Database(url, schema=box.schema, patience=0)) as database, refusing(server, box), refused:
        database.transaction(lambda connection: connection.execute(sa.select(1)))


def test_worker_survives_an_outage_of_its_database(waiting: Database, server: EmbeddedPostgres) -> None:
    """It waits while the database refuses all connections, and goes on afterwards without help."""
    with worker(waiting, no_op_handlers(waiting), drain=False) as working:
        deliver(waiting, 1, object_id=1)
        eventually(lambda: is_processed(waiting), "it works")
        with refusing(server, waiting):
            eventually(lambda: working.is_waiting, "it has noticed")
        deliver(waiting, 1, object_id=2)
        eventually(lambda: is_processed(waiting), "it works again")


def test_outage_during_a_job_loses_nothing(waiting: Database, server: EmbeddedPostgres) -> None:
    """The job cannot even be returned: it is rescued and done later."""
    deliver(waiting, 1, object_id=7)
    begun, go_on = threading.Event(), threading.Event()

    def hang_once(*_: object) -> None:
        if not begun.is_set():
            begun.set()
            go_on.wait()

    with worker(waiting, refreshing(waiting, hang_once), drain=False) as working:
        assert begun.wait(60)
        with refusing(server, waiting):
            eventually(lambda: working.is_waiting, "it has noticed")
        eventually(lambda: is_processed(waiting), "it was rescued")
        go_on.set()
    join_job_threads()


def test_worker_with_a_failing_heartbeat_starts_again(box: Database) -> None:
    """Without heartbeats other workers would take over its jobs while it does them."""
    with worker(box, no_op_handlers(box), drain=False):
        first = eventually(lambda: sql.row(box, "SELECT max(id) FROM procrastinate_workers")[0], "it has registered")
        sql.execute(box, "ALTER FUNCTION procrastinate_update_heartbeat_v1 RENAME TO stopped")
        eventually(lambda: (sql.row(box, "SELECT min(id) FROM procrastinate_workers")[0] or 0) > first, "it began anew")
        sql.execute(box, "ALTER FUNCTION stopped RENAME TO procrastinate_update_heartbeat_v1")
        deliver(box, 1, object_id=7)
        eventually(lambda: is_processed(box), "it works")


def test_worker_reads_the_url_like_the_other_connections(box: Database) -> None:
    """With spaces in an option and in the password it reaches the same database."""
    deliver(box, 1, object_id=7)
    url = box.engine.url.set(password="a b%+c").update_query_dict({"options": "-c lock_timeout=5s"})  # noqa: S106  (nobody's)
    spaced = Database(url.render_as_string(hide_password=False), schema="hostaway")
    drain(spaced, no_op_handlers(spaced))
    spaced.close()
    assert is_processed(box)


def test_draining_ends_when_the_queue_itself_fails(box: Database) -> None:
    """The database answers but fetching a job fails: the command tries once more, and then reports it."""
    sql.execute(box, "ALTER FUNCTION procrastinate_fetch_job_v2 RENAME TO stopped")
    timings = replace(QUICK, poll_s=0.2)
    began = time.monotonic()
    failed = pytest.raises(StoreUnavailable, match="the queue cannot be worked off: function procrastinate_fetch_job")
    with failed, worker(box, no_op_handlers(box), timings=timings) as working:
        working.wait()
    assert time.monotonic() - began >= 2 * timings.poll_s


def test_worker_survives_an_unexpected_error(box: Database) -> None:
    """The error is logged and the worker restarts: deliveries are accepted meanwhile."""
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


def test_worker_that_does_not_end_is_waited_for_once(box: Database, caplog: pytest.LogCaptureFixture) -> None:
    """A second stop, as at the end of its block, does not wait as long again."""
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


def test_concurrent_enqueues_leave_one_job_an_account(box: Database) -> None:
    """The order of their statements does not matter."""
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
    """Thirty workers are killed in turn while deliveries come; in the end all are processed."""
    for number in range(30):
        deliver(box, 1, object_id=number + 1)
        process = start_worker_program(HANGING, box)
        read_line(process)
        end_process(process, signal.SIGKILL)
    eventually(lambda: drained(box), "all were processed")


def drained(database: Database) -> bool:
    """Work until nothing is due, and return whether all deliveries are processed."""
    drain(database, no_op_handlers(database), policy=MANY_RETRIES)
    return is_processed(database)


@contextmanager
def refusing(server: EmbeddedPostgres, database: Database) -> Iterator[None]:
    """Make the database refuse all connections while the block runs, as a stopped server does."""
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
