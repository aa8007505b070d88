"""Jobs in batches: waiting bookings of one account are read together, and each job has its own outcome."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.deliveries import (
    MANY_RETRIES,
    ONE_RETRY,
    QUICK,
    batching_worker,
    deliver,
    drain,
    eventually,
    join_job_threads,
    no_op,
    refreshing,
)
from tests.support.programs.worker_programs import end_process, read_line, start_worker_program
from tests.support.records import add_account

from hostaway_sync.errors import LeaseHeld, SourceAway, SourceUnavailable
from hostaway_sync.model.records import Resource
from hostaway_sync.queue import maintenance
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store import jobs
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.jobs import Job, StartedJob
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.webhooks import refresh_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.model.records import Owner
    from hostaway_sync.queue.batching import Handler, JobErrors

    Build = Callable[..., SyncEnv]
    Storm = Callable[..., tuple[SyncEnv, list[int]]]

BOOKING = "GET /reservations/{id}"
# One worker that does jobs in batches, and hangs in the fourth object.
HANGING = """
import sys, threading
from hostaway_sync.store.postgres.database import Database
from tests.support.deliveries import batching_worker
from tests.support.deliveries import MANY_RETRIES, refreshing

def read(object_id):
    if object_id == 4:
        print(object_id, flush=True)
        threading.Event().wait()

database = Database(sys.argv[1], schema="hostaway")
with batching_worker(database, refreshing(database, read), policy=MANY_RETRIES, drain=False) as working:
    working.wait()
"""


@pytest.fixture
def box(database: Database) -> Database:
    """Return a database with accounts 1 and 2."""
    add_account(database)
    add_account(database, 2)
    return database


def watching(handling: dict[str, Handler], batches: list[list[int]]) -> dict[str, Handler]:
    """Return handlers that record the objects of each batch."""

    def handler(batch: Sequence[Job]) -> JobErrors:
        batches.append([job.required_target.object_id for job in batch])
        return handling[jobs.REFRESH](batch)

    return handling | {jobs.REFRESH: handler}


def work(database: Database, read: Callable[[int], object], **options: Any) -> list[list[int]]:
    """Work until nothing is due, and return the objects of each batch."""
    batches: list[list[int]] = []
    with batching_worker(database, watching(refreshing(database, read), batches), **options) as working:
        working.wait()
    return batches


def failing(*numbers: int) -> Callable[[int], None]:
    """Return a function that reads all objects but these."""

    def read(number: int) -> None:
        if number in numbers:
            raise SourceUnavailable("the source is away")

    return read


def is_done(database: Database) -> bool:
    """Whether no delivery waits and no job is left."""
    return sql.rows(database, "SELECT 1 FROM webhook_log WHERE status <> 'processed'") == [] and is_queue_empty(
        database
    )


def is_queue_empty(database: Database) -> bool:
    """Whether the queue is empty."""
    return sql.rows(database, "SELECT 1 FROM procrastinate_jobs") == []


def attempts(database: Database) -> list[tuple[Any, ...]]:
    """Return the object and the number of every stored attempt."""
    return sql.rows(database, "SELECT split_part(job, ':', 4)::bigint, number FROM job_attempts ORDER BY 1, 2")


def begun_first(database: Database) -> StartedJob:
    """Begin the oldest job, as a running worker does."""
    sql.execute(database, "INSERT INTO procrastinate_workers DEFAULT VALUES")
    sql.execute(
        database,
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
        " WHERE id = (SELECT min(id) FROM procrastinate_jobs)",
    )
    ((row_id, arguments),) = sql.rows(database, "SELECT id, args FROM procrastinate_jobs WHERE status = 'doing'")
    return StartedJob(row_id, Job.from_arguments(arguments))


def test_waiting_bookings_are_done_in_batches(box: Database) -> None:
    """Each is read once, and no thread of the worker takes more than its share."""
    for number in range(1, 21):
        deliver(box, 1, object_id=number)
    batches = work(box, lambda _: None)
    assert sorted(number for batch in batches for number in batch) == list(range(1, 21))
    assert max(map(len, batches)) in range(2, 11)
    assert is_done(box)


def test_no_batch_is_made_while_every_lane_has_a_job(box: Database) -> None:
    """Two lanes and two bookings: each has its own."""
    for number in (1, 2):
        deliver(box, 1, object_id=number)
    assert sorted(work(box, lambda _: None)) == [[1], [2]]


def test_batch_holds_bookings_of_one_account_only(box: Database) -> None:
    """Jobs of another account, listings, conversations and syncs stay apart."""
    for number in (1, 2, 3, 4):
        deliver(box, 1, object_id=number)
        deliver(box, 2, object_id=10 + number)
        deliver(box, 1, Resource.LISTINGS, object_id=20 + number)
        deliver(box, 1, Resource.CONVERSATIONS, object_id=30 + number)
    box.transaction(partial(jobs.defer_job, job=Job(1)))
    batches = work(box, lambda _: None)
    assert all(len({number // 10 for number in batch}) == 1 for batch in batches)
    assert max(map(len, batches)) > 1
    assert {len(batch) for batch in batches if batch[0] > 20} == {1}
    assert is_done(box)


def test_failing_job_costs_the_rest_of_its_batch_no_attempt(box: Database) -> None:
    """Jobs before it are done, jobs after it are returned and done; it is retried alone."""
    for number in range(1, 13):
        deliver(box, 1, object_id=number)
    read: list[int] = []

    def one_is_away(number: int) -> None:
        failing(4)(number)
        read.append(number)

    batches = work(box, one_is_away)
    assert sorted(read) == [1, 2, 3, *range(5, 13)]
    assert attempts(box)[0] == (4, 1)
    assert {number for number, _ in attempts(box)} == {4}
    assert [batch for batch in batches if 4 in batch][1:] == [[4]] * (len(attempts(box)) - 1)


@pytest.mark.parametrize("error", [LeaseHeld("held"), SourceAway("away")], ids=["lease", "source"])
def test_an_obstacle_of_one_job_delays_the_batch(box: Database, error: Exception) -> None:
    """Each job starts once and waits as long as the failed one; no other has an attempt."""
    for number in range(1, 13):
        deliver(box, 1, object_id=number)

    def away(_: int) -> None:
        raise error

    batches = work(box, away, policy=JobRetryPolicy())
    assert sorted(number for batch in batches for number in batch) == list(range(1, 13))
    waiting = "SELECT count(*), count(DISTINCT scheduled_at) FROM procrastinate_jobs WHERE scheduled_at > now()"
    ((jobs_waiting, moments),) = sql.rows(box, waiting)
    assert jobs_waiting == 12
    assert moments <= 2 * len(batches)
    assert len(attempts(box)) == (len(batches) if isinstance(error, SourceAway) else 0)


def test_follower_keeps_its_own_start(database_url: str, box: Database) -> None:
    """It is part of a batch and fails: its attempt has its own delivery, and a retry is planned."""
    for number in range(1, 7):
        deliver(box, 1, object_id=number)
    read: list[int] = []

    def seven_is_away(number: int) -> None:
        read.append(number)
        failing(7)(number)

    patient = JobRetryPolicy(ladder=(timedelta(hours=1),))
    narrow = Database(database_url, schema="hostaway", pool_size=1)
    held = narrow.engine.connect()
    options = {"policy": patient, "timings": replace(QUICK, maintenance_s=3600), "drain": False}
    with batching_worker(narrow, refreshing(narrow, seven_is_away), **options):
        begun = "SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'"
        eventually(lambda: len(sql.rows(box, begun)) == 2, "both lanes have a leader, and wait for a connection")
        deliver(box, 1, object_id=7)
        deliver(box, 1, object_id=8)
        held.close()
        eventually(lambda: attempts(box), "it failed")
        settled = "SELECT 1 FROM webhook_log WHERE status = 'processed'"
        eventually(lambda: len(sql.rows(box, settled)) == 7, "the others are done")
    assert (attempts(box), read.count(7)) == ([(7, 1)], 1)
    assert sql.rows(box, "SELECT count(*) FROM procrastinate_jobs WHERE scheduled_at > now()") == [(1,)]
    narrow.close()


def test_error_after_the_last_object_belongs_to_that_object(box: Database) -> None:
    """What follows the last reading is repeated with that object."""
    deliver(box, 1, object_id=1)
    tries: list[int] = []

    def refresh(_: Owner, resource: Resource, ids: Sequence[int], cause: Cause) -> Iterator[int]:
        del resource, cause
        yield from ids
        tries.append(len(tries))
        if len(tries) == 1:
            raise SourceUnavailable("too late")

    with batching_worker(
        box, {jobs.REFRESH: partial(refresh_job.run_refresh_job, box, refresh), jobs.SYNC: no_op}
    ) as working:
        working.wait()
    assert (tries, attempts(box), is_done(box)) == ([0, 1], [(1, 1)], True)


def test_batch_without_an_answer_from_the_database_is_one_job(box: Database) -> None:
    """The database refuses only the question for more jobs: no attempt is lost."""
    for number in range(1, 7):
        deliver(box, 1, object_id=number)
    with box.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION hostaway.refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '53300'; END$$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER refusing BEFORE UPDATE ON hostaway.procrastinate_jobs FOR EACH ROW "
            "WHEN (NEW.args ? 'led_by') EXECUTE FUNCTION hostaway.refuse()"
        )
    batches = work(box, lambda _: None)
    assert (sorted(batches), attempts(box), is_done(box)) == ([[number] for number in range(1, 7)], [], True)


def test_leader_is_no_follower_of_its_own_batch(box: Database) -> None:
    """A delivery for its object after its start has a job of its own, which waits for a later batch."""
    for number in (1, 2, 3):
        deliver(box, 1, object_id=number)
    leader = begun_first(box)
    deliver(box, 1, object_id=1)
    along = box.transaction(partial(jobs.start_batch, leader=leader, limit=9, concurrency=1))
    assert {one.job.required_target.object_id for one in along} == {2, 3}


def test_returned_leader_takes_no_follower(box: Database) -> None:
    """Its thread may still run, but its results would be lost."""
    for number in (1, 2, 3):
        deliver(box, 1, object_id=number)
    leader = begun_first(box)
    box.transaction(partial(jobs.delete_jobs, row_ids=[leader.row_id]))
    assert box.transaction(partial(jobs.start_batch, leader=leader, limit=9, concurrency=1)) == []


def test_each_exhausted_job_of_a_batch_becomes_a_dead_letter(box: Database) -> None:
    """The other jobs are processed."""
    for number in range(1, 13):
        deliver(box, 1, object_id=number)
    work(box, failing(2, 3))
    found = sql.rows(box, "SELECT object_id, status FROM webhook_log WHERE status <> 'processed' ORDER BY 1")
    assert found == [(2, "dead"), (3, "dead")]
    assert (attempts(box), is_queue_empty(box)) == ([(2, 1), (2, 2), (3, 1), (3, 2)], True)


def test_delivery_during_a_batch_is_not_settled_by_it(box: Database) -> None:
    """All objects of the batch are read once more, also those of followers."""
    for number in range(1, 7):
        deliver(box, 1, object_id=number)
    batches: list[list[int]] = []
    again: list[int] = []
    read: list[int] = []

    def interrupted(number: int) -> None:
        batch = next(batch for batch in batches if number in batch)
        # The lane that is first may find one job alone.
        if not again and len(batch) > 1:
            again.extend(batch)
            for other in again:
                deliver(box, 1, object_id=other)
        read.append(number)

    with batching_worker(box, watching(refreshing(box, interrupted), batches)) as working:
        working.wait()
    assert len(again) > 1
    assert sorted(read) == sorted([*range(1, 7), *again])
    assert is_done(box)


def test_deliveries_of_a_batch_are_ignored_for_a_disabled_account(box: Database) -> None:
    """Nothing is read, and no job is left."""
    for number in range(1, 7):
        deliver(box, 1, object_id=number)
    sql.execute(box, "UPDATE accounts SET is_active = false")
    work(box, lambda _: pytest.fail("it was read"))
    assert sql.rows(box, "SELECT DISTINCT status FROM webhook_log") == [("ignored",)]
    assert is_queue_empty(box)


def test_stopped_worker_returns_its_whole_batch(box: Database) -> None:
    """Followers, too; no attempt is counted."""
    for number in range(1, 13):
        deliver(box, 1, object_id=number)
    begun, go_on = threading.Event(), threading.Event()

    def read(_: int) -> None:
        begun.set()
        go_on.wait()

    with batching_worker(box, refreshing(box, read), drain=False):
        assert begun.wait(60)
    waiting = "SELECT status::text, args - 'object_id', count(*) FROM procrastinate_jobs GROUP BY 1, 2"
    assert (sql.rows(box, waiting), attempts(box)) == (
        [("todo", Job(1).to_arguments() | {"resource": "reservations"}, 12)],
        [],
    )
    go_on.set()
    join_job_threads()
    drain(box, refreshing(box, lambda _: None))
    assert is_done(box)


def test_batch_of_a_killed_worker_is_returned_whole(box: Database) -> None:
    """SIGKILL in the middle of a batch: another worker does all of it, each job alone."""
    for number in range(1, 13):
        deliver(box, 1, object_id=number)
    killed = start_worker_program(HANGING, box)
    assert read_line(killed) == "4"
    batches: list[list[int]] = []
    with batching_worker(box, watching(refreshing(box, lambda _: None), batches), policy=MANY_RETRIES, drain=False):
        end_process(killed, signal.SIGKILL)
        eventually(lambda: is_done(box), "they were given back")
    died = {number for number, _ in attempts(box)}
    assert 4 in died
    assert all(len(batch) == 1 for batch in batches if died & set(batch))


def test_followers_begun_without_an_answer_return_with_their_leader(box: Database) -> None:
    """The answer with the followers was lost while the worker lives: no job waits for the worker's end."""
    for number in range(1, 7):
        deliver(box, 1, object_id=number)
    leader = begun_first(box)
    along = box.transaction(partial(jobs.start_batch, leader=leader, limit=9, concurrency=2))
    assert len(along) == 2
    rescue = partial(maintenance.rescue_stalled_jobs, box, ONE_RETRY, (jobs.REFRESH,), silent_for=timedelta(minutes=1))
    assert rescue() == 0
    box.transaction(partial(jobs.delete_jobs, row_ids=[leader.row_id]))
    assert rescue() == 2


@pytest.fixture
def storm(sync_env: Build) -> Storm:
    """Return a function that builds a mirrored environment with many changed bookings whose jobs wait."""

    def build(**options: Any) -> tuple[SyncEnv, list[int]]:
        env = sync_env(**options)
        env.mirrored()
        moved = sorted(env.truth("reservations"))[:24]
        for number in moved:
            env.sandbox.world.update_reservation(number, guestName="Somebody Else")
            deliver(env.database, env.account_id, object_id=number)
        env.sandbox.forget()
        return env, moved

    return build


def settle(env: SyncEnv) -> None:
    """Work off all waiting jobs, as `worker --drain` does."""
    with env.mirror(retry_attempts=1).jobs.start_worker(drain=True) as working:
        working.wait()


def test_batch_locks_the_account_before_any_row(storm: Storm) -> None:
    """A change of the customer holds the account's rows alone: a batch waits, and holds none of them."""
    env, moved = storm(reservations=30)
    with env.database.engine.begin() as connection:
        account_owner.lock_rows_exclusively(connection, env.account_id)
        working = threading.Thread(target=settle, args=(env,))
        working.start()
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually(lambda: sql.row(env.database, waits) is not None, "a batch waits")
        free = f"SELECT id FROM hostaway.reservations WHERE id = ANY (ARRAY{moved}) FOR UPDATE NOWAIT"
        assert len(connection.exec_driver_sql(free).all()) == len(moved)
    working.join()
    assert env.differences() == {}


def test_burst_of_deliveries_ends_with_every_row_right(storm: Storm) -> None:
    """One request a booking, and one for each dependent object; every delivery is settled."""
    env, moved = storm(reservations=30)
    settle(env)
    assert env.sandbox.calls[BOOKING] == len(moved)
    assert env.differences() == {}
    assert is_done(env.database)


@pytest.mark.parametrize("status", [404, 403])
def test_missing_object_delays_no_other(storm: Storm, status: Any) -> None:
    """404 makes it a suspect without a mark; 403 proves nothing."""
    env, moved = storm(reservations=30, switches=Switches(deleted_object=status))
    env.sandbox.world.delete_reservation(moved[5])
    settle(env)
    assert sql.rows(env.database, "SELECT id FROM reservations WHERE missing_since IS NOT NULL") == []
    suspected = sql.rows(env.database, "SELECT record_id FROM suspicions")
    assert suspected == ([(moved[5],)] if status == 404 else [])
    assert is_done(env.database)


def test_unknown_listing_is_read_once_for_all_its_bookings(storm: Storm) -> None:
    """The mirror does not have it yet, and a batch holds several of its bookings."""
    env, _ = storm(reservations=30, listings=1)
    with env.database.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM hostaway.listings")
    settle(env)
    batches = env.sandbox.calls["GET /listings/{id}"]
    assert 1 <= batches < 24
    assert env.differences() == {}


def test_source_failure_in_a_batch_loses_nothing(storm: Storm) -> None:
    """Objects read before it are stored; a later attempt reads all others."""
    env, _ = storm(reservations=30)
    env.sandbox.faults.add(faults.bad_gateway(), route=BOOKING, skip=7)
    settle(env)
    eventually(lambda: _all_read(env), "the one that failed was read")
    assert env.differences() == {}


def _all_read(env: SyncEnv) -> bool:
    with env.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hostaway.procrastinate_jobs SET scheduled_at = NULL")
    settle(env)
    return is_done(env.database)
