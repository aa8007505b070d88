from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.deliveries import (
    ONE_RETRY,
    deliver,
    drain,
    eventually,
    join_job_threads,
    no_op,
    refreshing,
    worker,
)
from tests.support.records import add_account

from hostaway_sync.errors import CredentialsRejected, HostawaySyncError, LeaseHeld, SourceUnavailable
from hostaway_sync.queue import maintenance
from hostaway_sync.queue.batching import handle_one_by_one
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.store import dead_letters, jobs
from hostaway_sync.store.jobs import Job
from hostaway_sync.sync.sync_job import run_sync_job

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.postgres.database import Database

PATIENT = JobRetryPolicy()
AWAY = SourceUnavailable("the source is away")


@pytest.fixture
def box(database: Database) -> Database:
    """Return a database with account 1."""
    add_account(database)
    return database


def fail(error: Exception) -> Callable[..., Any]:
    """Return a function that raises."""

    def raise_it(*_: Any) -> Any:
        raise error

    return raise_it


def statuses(database: Database) -> list[str]:
    """Return the status of every delivery, oldest first."""
    return [status for (status,) in sql.rows(database, "SELECT status FROM webhook_log ORDER BY created_at")]


def test_fifty_waiting_deliveries_cause_one_refresh(box: Database) -> None:
    """It processes all fifty, and leaves no job in the queue."""
    for _ in range(50):
        deliver(box, 1, object_id=7)
    read: list[int] = []
    drain(box, refreshing(box, read.append))
    assert read == [7]
    assert set(statuses(box)) == {"processed"}
    assert sql.rows(box, "SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_delivery_during_a_reading_is_not_settled_by_it(box: Database) -> None:
    """It waits for the next reading."""
    deliver(box, 1, object_id=7)
    seen: list[list[str]] = []

    def read(object_id: int) -> None:
        if not seen:
            deliver(box, 1, object_id=object_id)
        seen.append(statuses(box))

    drain(box, refreshing(box, read))
    assert seen == [["pending", "pending"], ["processed", "pending"]]
    assert statuses(box) == ["processed", "processed"]


def test_job_without_waiting_deliveries_sends_no_request(box: Database) -> None:
    """Another job settled its deliveries."""
    deliver(box, 1, object_id=7)
    sql.execute(box, "UPDATE webhook_log SET status = 'processed', processed_at = now()")
    read: list[int] = []
    drain(box, refreshing(box, read.append))
    assert read == []


def test_deliveries_of_a_disabled_account_are_ignored(box: Database) -> None:
    """No object is read, and the row says why."""
    deliver(box, 1)
    sql.execute(box, "UPDATE accounts SET is_active = false")
    drain(box, refreshing(box, fail(AssertionError("read"))))
    assert sql.rows(box, "SELECT status, error FROM webhook_log") == [("ignored", "the account is disabled")]


def test_failed_attempt_is_stored_and_retried(box: Database) -> None:
    """Our tables have attempt, error and next time, and a new job waits for that time."""
    deliver(box, 1, object_id=7)
    drain(box, refreshing(box, fail(AWAY)), policy=PATIENT)
    assert sql.rows(box, "SELECT status, attempts, error FROM webhook_log") == [("failed", 1, "the source is away")]
    row = sql.row(box, "SELECT *, next_at - finished_at AS wait FROM job_attempts")
    assert (row.account_id, row.job, row.number, row.error) == (1, "refresh:1:reservations:7", 1, "the source is away")
    assert "SourceUnavailable" in row.traceback
    assert timedelta(seconds=24) <= row.wait <= timedelta(seconds=36)
    job = sql.row(box, "SELECT status::text, scheduled_at, args FROM procrastinate_jobs")
    assert (job.status, job.scheduled_at) == ("todo", row.next_at)
    assert Job.from_arguments(job.args).attempt == 2


def test_draining_ends_when_nothing_is_due(box: Database) -> None:
    """A job that waits for its next attempt stays."""
    for number in range(3):
        deliver(box, 1, object_id=number + 1)
    drain(box, refreshing(box, fail(AWAY)), policy=PATIENT)
    assert sql.rows(box, "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1") == [("todo", 3)]


def test_draining_creates_jobs_for_deliveries_without_one(box: Database) -> None:
    """An operator with cron and no worker loses no delivery."""
    deliver(box, 1)
    sql.execute(box, "DELETE FROM procrastinate_jobs")
    drain(box, refreshing(box, lambda _: None))
    assert statuses(box) == ["processed"]


def test_new_deliveries_do_not_use_up_the_attempts(box: Database) -> None:
    """Each makes the job due at once; the extra tries are stored, and the attempt keeps number and time."""
    deliver(box, 1, object_id=7)
    drain(box, refreshing(box, fail(AWAY)), policy=PATIENT)
    planned = sql.row(box, "SELECT scheduled_at, args->>'attempt' AS number FROM procrastinate_jobs")
    for _ in range(3):
        deliver(box, 1, object_id=7)
        drain(box, refreshing(box, fail(AWAY)), policy=PATIENT)
    assert sql.row(box, "SELECT scheduled_at, args->>'attempt' AS number FROM procrastinate_jobs") == planned
    assert sql.rows(box, "SELECT number FROM job_attempts ORDER BY started_at") == [(1,), (2,), (2,), (2,)]


def test_held_lease_counts_as_no_attempt(box: Database) -> None:
    """It leaves a waiting job only: neither an attempt nor a failed delivery."""
    deliver(box, 1)
    drain(box, refreshing(box, fail(LeaseHeld("held"))), policy=PATIENT)
    assert statuses(box) == ["pending"]
    assert sql.rows(box, "SELECT count(*) FROM job_attempts") == [(0,)]
    assert sql.rows(box, "SELECT args->>'attempt', scheduled_at > now() FROM procrastinate_jobs") == [("1", True)]


def test_one_failing_job_blocks_no_other(box: Database) -> None:
    """All other deliveries of the same account are processed."""
    for number in range(1, 21):
        deliver(box, 1, object_id=number)

    def read(object_id: int) -> None:
        if object_id == 13:
            raise ValueError("invalid \0 \ud800")

    drain(box, refreshing(box, read), policy=PATIENT)
    assert sql.rows(box, "SELECT object_id, error FROM webhook_log WHERE status <> 'processed'") == [
        (13, "unexpected ValueError: invalid …")
    ]


def test_exhausted_job_becomes_a_dead_letter_with_its_history(box: Database) -> None:
    """It has payload, headers, traceback and every attempt, and its deliveries are dead."""
    for _ in range(2):
        deliver(box, 1, object_id=7)
    drain(box, refreshing(box, fail(AWAY)))
    (letter,) = dead_letters.list_dead_letters(box, account_id=None, resolved_too=False)
    assert (letter.kind, letter.account_id, letter.target_resource, letter.target_id) == (
        "delivery",
        1,
        "reservations",
        7,
    )
    assert (letter.deliveries, letter.error) == (2, "the source is away")
    assert letter.payload["data"] == {"id": 7}
    assert letter.headers == {"user-agent": "sender"}
    assert "SourceUnavailable" in (letter.traceback or "")
    assert [(attempt["number"], attempt["error"]) for attempt in letter.history] == [
        (1, letter.error),
        (2, letter.error),
    ]
    assert statuses(box) == ["dead", "dead"]
    assert sql.rows(box, "SELECT count(*) FROM procrastinate_jobs") == [(0,)]
    assert sql.rows(box, "SELECT number, next_at IS NULL FROM job_attempts ORDER BY number") == [(1, False), (2, True)]


def test_permanent_error_makes_a_dead_letter_at_once(box: Database) -> None:
    """There is no second attempt."""
    deliver(box, 1)
    drain(box, refreshing(box, fail(CredentialsRejected("wrong secret"))))
    (letter,) = dead_letters.list_dead_letters(box, account_id=1, resolved_too=False)
    assert (len(letter.history), statuses(box)) == (1, ["dead"])


def test_late_delivery_has_its_own_attempts(box: Database) -> None:
    """When the attempts of an older delivery are used up, the late one is not dead with it."""
    deliver(box, 1, object_id=7)
    drain(box, refreshing(box, fail(AWAY)), policy=JobRetryPolicy(ladder=(timedelta(0), timedelta(hours=1))))
    sql.execute(box, 'UPDATE procrastinate_jobs SET args = args || \'{"retry_at": "2020-01-01T00:00:00+00:00"}\'')
    deliver(box, 1, object_id=7)
    calls: list[int] = []

    def read(object_id: int) -> None:
        calls.append(object_id)
        if len(calls) == 1:
            raise AWAY

    drain(box, refreshing(box, read), policy=JobRetryPolicy(ladder=(timedelta(0), timedelta(0))))
    assert statuses(box) == ["dead", "failed"]
    maintenance.defer_forgotten_jobs(box)
    drain(box, refreshing(box, read))
    assert statuses(box) == ["dead", "processed"]


def test_retrying_a_dead_letter_does_its_job(box: Database) -> None:
    """Its deliveries wait again with all attempts; the dead letter stays, resolved."""
    deliver(box, 1, object_id=7)
    drain(box, refreshing(box, fail(AWAY)))
    (letter,) = dead_letters.list_dead_letters(box, account_id=1, resolved_too=False)
    dead_letters.retry_dead_letter(box, letter.dead_letter_id)
    assert sql.rows(box, "SELECT status, attempts FROM webhook_log") == [("pending", 0)]
    read: list[int] = []
    drain(box, refreshing(box, read.append))
    assert (read, statuses(box)) == ([7], ["processed"])
    resolved = dead_letters.get_dead_letter(box, letter.dead_letter_id)
    assert (resolved.resolution, resolved.resolved_at is not None) == ("retried", True)
    assert dead_letters.list_dead_letters(box, account_id=1, resolved_too=False) == []
    with pytest.raises(HostawaySyncError, match=f"dead letter {letter.dead_letter_id} was retried already"):
        dead_letters.retry_dead_letter(box, letter.dead_letter_id)


def test_retried_dead_letter_may_fail_again(box: Database) -> None:
    """It has all its attempts once more, and then makes a second dead letter."""
    deliver(box, 1, object_id=7)
    drain(box, refreshing(box, fail(AWAY)))
    (letter,) = dead_letters.list_dead_letters(box, account_id=1, resolved_too=False)
    dead_letters.retry_dead_letter(box, letter.dead_letter_id)
    drain(box, refreshing(box, fail(AWAY)))
    first, second = dead_letters.list_dead_letters(box, account_id=1, resolved_too=True)
    assert (first.resolution, second.resolution) == ("retried", None)
    assert len(second.history) == 2


def test_discarded_dead_letter_is_resolved(box: Database) -> None:
    """Its deliveries stay dead and can be pruned; an unknown number is an error."""
    deliver(box, 1)
    drain(box, refreshing(box, fail(AWAY)))
    (letter,) = dead_letters.list_dead_letters(box, account_id=1, resolved_too=False)
    maintenance.prune_settled_deliveries(box, keep=timedelta(days=-1))
    assert statuses(box) == ["dead"]
    dead_letters.discard_dead_letter(box, letter.dead_letter_id)
    assert dead_letters.get_dead_letter(box, letter.dead_letter_id).resolution == "discarded"
    assert (statuses(box), sql.rows(box, "SELECT count(*) FROM procrastinate_jobs")) == (["dead"], [(0,)])
    maintenance.prune_settled_deliveries(box, keep=timedelta(days=-1))
    assert statuses(box) == []
    with pytest.raises(HostawaySyncError, match="there is no dead letter 99"):
        dead_letters.discard_dead_letter(box, 99)


def test_stopped_worker_returns_unfinished_jobs(box: Database) -> None:
    """The job waits with the same attempt, and what its thread still does changes nothing."""
    deliver(box, 1, object_id=7)
    begun, go_on = threading.Event(), threading.Event()

    def read(_: int) -> None:
        begun.set()
        go_on.wait()

    with worker(box, refreshing(box, read), drain=False):
        assert begun.wait(60)
    assert sql.rows(box, "SELECT status::text, args->>'attempt' FROM procrastinate_jobs") == [("todo", "1")]
    assert (statuses(box), sql.rows(box, "SELECT count(*) FROM job_attempts")) == (["pending"], [(0,)])
    go_on.set()
    join_job_threads()
    drain(box, refreshing(box, lambda _: None))
    assert statuses(box) == ["processed"]


def test_stopped_worker_finishes_short_jobs(box: Database) -> None:
    """A job that ends within the grace period is finished, and no new one starts."""
    for number in (1, 2, 3, 4, 5):
        deliver(box, 1, object_id=number)
    begun, go_on = threading.Barrier(3), threading.Event()

    def read(_: int) -> None:
        begun.wait()
        go_on.wait()

    working = worker(box, refreshing(box, read), drain=False)
    working.start()
    begun.wait()
    stopping = threading.Thread(target=working.stop)
    stopping.start()
    go_on.set()
    stopping.join()
    assert statuses(box).count("processed") == 2


def test_dropped_jobs_are_rescued(box: Database) -> None:
    """A job that the engine marked as failed without our code is returned like that of a dead worker."""
    deliver(box, 1, object_id=7)
    sql.execute(box, "UPDATE procrastinate_jobs SET status = 'failed'")
    drain(box, refreshing(box, lambda _: None))
    assert statuses(box) == ["processed"]
    assert sql.rows(box, "SELECT number, traceback FROM job_attempts") == [(1, None)]


def test_concurrent_rescuers_rescue_once(box: Database) -> None:
    """One of them returns a stalled job: one attempt, one new job."""
    for number in range(1, 9):
        deliver(box, 1, object_id=number)
    sql.execute(box, "UPDATE procrastinate_jobs SET status = 'doing'")
    rescued: list[int] = []
    kinds = (jobs.REFRESH,)

    def rescue() -> None:
        rescued.append(maintenance.rescue_stalled_jobs(box, ONE_RETRY, kinds, silent_for=timedelta(seconds=1)))

    rescuers = [threading.Thread(target=rescue) for _ in range(3)]
    for rescuer in rescuers:
        rescuer.start()
    for rescuer in rescuers:
        rescuer.join()
    assert sum(rescued) == 8
    assert sql.rows(box, "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY 1") == [("todo", 8)]
    assert sql.rows(box, "SELECT count(*) FROM job_attempts") == [(8,)]


def test_job_that_kills_its_workers_becomes_a_dead_letter(box: Database) -> None:
    """It killed three in a row, while a delivery of another object was processed between any two deaths."""
    deliver(box, 1, object_id=7)
    policy = JobRetryPolicy(death_ladder=(timedelta(0),) * 2)
    for death in range(3):
        assert dead_letters.list_dead_letters(box, account_id=1, resolved_too=False) == []
        sql.execute(box, "UPDATE procrastinate_jobs SET status = 'doing'")
        maintenance.rescue_stalled_jobs(box, policy, (jobs.REFRESH,), silent_for=timedelta(seconds=1))
        if death < 2:
            sql.execute(
                box,
                "INSERT INTO webhook_log (id, platform, account_id, event, target_resource, object_id, body, headers,"
                " received_by, status, processed_at) SELECT gen_random_uuid(), platform, account_id, event,"
                " target_resource, 8, body, headers, received_by, 'processed', clock_timestamp() FROM webhook_log"
                " WHERE object_id = 7",
            )
    (letter,) = dead_letters.list_dead_letters(box, account_id=1, resolved_too=False)
    assert (letter.traceback, len(letter.history)) == (None, 3)
    assert sql.rows(box, "SELECT status FROM webhook_log WHERE object_id = 7") == [("dead",)]


def test_worker_does_jobs_that_become_due(box: Database) -> None:
    """The same worker retries failed jobs, and finds deliveries without a job."""
    calls: list[int] = []

    def read(object_id: int) -> None:
        calls.append(object_id)
        if calls.count(object_id) < 3:
            raise AWAY

    policy = JobRetryPolicy(ladder=(timedelta(milliseconds=50),) * 3)
    with worker(box, refreshing(box, read), policy=policy, drain=False):
        deliver(box, 1, object_id=7)
        eventually(lambda: statuses(box) == ["processed"], "it was tried again")
        deliver(box, 1, object_id=8)
        sql.execute(box, "DELETE FROM procrastinate_jobs")
        eventually(lambda: statuses(box) == ["processed"] * 2, "it was remembered")


def test_queued_syncs_are_done_and_fail_like_deliveries(box: Database) -> None:
    """A sync that fails for good is a dead letter of its own kind; its retry has the same options."""
    asked: list[tuple[int, bool, tuple[str, ...]]] = []

    def attempt(account: Account, job: Job) -> Any:
        asked.append((account.account_id, job.full, job.resources))
        raise AWAY

    handling = {jobs.REFRESH: no_op, jobs.SYNC: handle_one_by_one(partial(run_sync_job, box, attempt))}
    box.transaction(partial(jobs.defer_job, job=Job(1, full=True, resources=("listings",))))
    drain(box, handling)
    (letter,) = dead_letters.list_dead_letters(box, account_id=1, resolved_too=False)
    assert (letter.kind, letter.target_resource, letter.deliveries, len(letter.history)) == ("sync", None, 0, 2)
    dead_letters.retry_dead_letter(box, letter.dead_letter_id)
    drain(box, handling)
    assert asked == [(1, True, ("listings",))] * 4
    assert len(dead_letters.list_dead_letters(box, account_id=1, resolved_too=False)) == 1


def test_a_waiting_sync_becomes_as_wide_as_the_next_wish(box: Database) -> None:
    """Cron asks for all that is mirrored, where a caller had asked for listings alone."""
    for job in (Job(1, resources=("listings",)), Job(1), Job(1, full=True, resources=("tasks",)), Job(1)):
        box.transaction(partial(jobs.defer_job, job=job))
    assert sql.rows(box, "SELECT args FROM procrastinate_jobs") == [({"account_id": 1, "attempt": 1, "full": True},)]


def test_queued_sync_of_a_disabled_account_is_dropped(box: Database) -> None:
    """No account needs it any more."""
    sql.execute(box, "UPDATE accounts SET is_active = false")
    box.transaction(partial(jobs.defer_job, job=Job(1)))
    syncing = partial(run_sync_job, box, fail(AssertionError("synced")))
    drain(box, {jobs.REFRESH: no_op, jobs.SYNC: handle_one_by_one(syncing)})
    assert sql.rows(box, "SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_long_sync_delays_no_delivery(box: Database) -> None:
    """Deliveries have workers of their own."""
    go_on = threading.Event()
    handling: dict[str, Callable[..., Any]] = {**refreshing(box, lambda _: None), jobs.SYNC: lambda _: go_on.wait()}
    add_account(box, 2)
    add_account(box, 3)
    with worker(box, handling, drain=False):
        for account_id in (1, 2, 3):
            box.transaction(partial(jobs.defer_job, job=Job(account_id)))
        eventually(lambda: sql.rows(box, "SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'"), "a sync has begun")
        deliver(box, 1)
        eventually(lambda: statuses(box) == ["processed"], "the delivery did not wait")
        go_on.set()
    join_job_threads()
