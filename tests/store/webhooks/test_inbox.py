from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import deliver
from tests.support.records import add_account

from hostaway_sync.model.deliveries import Delivery, Event, RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.queue import maintenance
from hostaway_sync.store import jobs
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

BOOKING = RefreshTarget(Resource.RESERVATIONS, 7)


@pytest.fixture
def box(database: Database) -> Database:
    """Return a database with account 1."""
    add_account(database)
    return database


def waiting_jobs(database: Database) -> list[Any]:
    """Return key, arguments and time of the waiting jobs."""
    query = (
        "SELECT queueing_lock, args, scheduled_at, scheduled_at > now() AS is_later, id"
        " FROM hostaway.procrastinate_jobs WHERE status = 'todo' ORDER BY id"
    )
    return list(database.transaction(lambda connection: connection.execute(sa.text(query)).all()))


def statuses(database: Database) -> list[str]:
    """Return the status of every delivery, oldest first."""
    query = sa.text("SELECT status FROM hostaway.webhook_log ORDER BY created_at")
    return list(database.transaction(lambda connection: connection.scalars(query).all()))


def test_fifty_deliveries_for_one_object_are_one_job(box: Database) -> None:
    """All are in the inbox, one job waits; another object, and the same id of another kind, have their own."""
    for _ in range(50):
        deliver(box, 1, object_id=7)
    deliver(box, 1, object_id=8)
    deliver(box, 1, Resource.LISTINGS, 7)
    assert statuses(box) == ["pending"] * 52
    keys = [job.queueing_lock for job in waiting_jobs(box)]
    assert keys == ["refresh:1:reservations:7", "refresh:1:reservations:8", "refresh:1:listings:7"]


def test_delivery_and_job_are_stored_together_or_not_at_all(box: Database) -> None:
    """A transaction that is rolled back leaves neither."""
    with box.engine.connect() as connection:
        inbox.accept_delivery(connection, made(), platform="hostaway")
        connection.rollback()
    assert (statuses(box), waiting_jobs(box)) == ([], [])


def test_accepting_again_adds_nothing(box: Database) -> None:
    """A transaction whose commit was not confirmed may run once more."""
    delivery = made()
    for _ in range(2):
        box.transaction(partial(inbox.accept_delivery, delivery=delivery, platform="hostaway"))
    assert (len(statuses(box)), len(waiting_jobs(box))) == (1, 1)


@pytest.mark.parametrize(
    ("target", "ignored", "error"), [(BOOKING, "disabled", "disabled"), (None, None, "nothing to read again")]
)
def test_delivery_without_work_is_stored_as_settled(
    box: Database, target: RefreshTarget | None, ignored: str | None, error: str
) -> None:
    """It has its row with the reason, and no job."""
    box.transaction(partial(inbox.accept_delivery, delivery=made(target=target, ignored=ignored), platform="hostaway"))
    row = sql.row(box, "SELECT status, error, processed_at IS NOT NULL AS settled FROM hostaway.webhook_log")
    assert tuple(row) == ("ignored", error, True)
    assert waiting_jobs(box) == []


def test_row_holds_the_exact_delivery(box: Database) -> None:
    """The bytes are unchanged, the payload's numbers too, and all other facts are stored."""
    body = b'{"data": {"price": 1.10, "id": 7}}\xff'
    delivery = made(body=body, payload='{"data": {"price": 1.10, "id": 7}}')
    box.transaction(partial(inbox.accept_delivery, delivery=delivery, platform="hostaway"))
    columns = "id, platform, account_id, event, target_resource, object_id, body, payload::text, headers, received_by"
    row = sql.row(box, f"SELECT {columns} FROM hostaway.webhook_log")
    assert (row.id, row.platform, row.account_id, row.event) == (delivery.delivery_id, "hostaway", 1, "changed")
    assert (row.target_resource, row.object_id, row.received_by) == ("reservations", 7, "here")
    assert (bytes(row.body), row.headers) == (body, {"user-agent": "sender"})
    assert "1.10" in row.payload


def test_new_delivery_makes_a_waiting_attempt_due(box: Database) -> None:
    """At once, as the same attempt with its planned time."""
    moment = box.transaction(jobs.read_clock) + timedelta(hours=1)
    job = Job(1, BOOKING, attempt=3, retry_at=moment, began_at=moment)
    box.transaction(lambda connection: jobs.defer_retry(connection, job, at=moment))
    (before,) = waiting_jobs(box)
    assert before.is_later
    deliver(box, 1, object_id=7)
    (after,) = waiting_jobs(box)
    assert (after.id, after.scheduled_at) == (before.id, None)
    assert Job.from_arguments(after.args) == job


def test_retry_joins_a_fresh_job(box: Database) -> None:
    """That one keeps its time, which is now, and takes over the attempts so far."""
    deliver(box, 1, object_id=7)
    moment = box.transaction(jobs.read_clock) + timedelta(hours=1)
    job = Job(1, BOOKING, attempt=3, retry_at=moment, began_at=moment)
    box.transaction(lambda connection: jobs.defer_retry(connection, job, at=moment))
    (found,) = waiting_jobs(box)
    assert found.scheduled_at is None
    assert Job.from_arguments(found.args) == job


def test_job_returned_late_keeps_its_attempts(box: Database) -> None:
    """A worker that counted as dead returns its job late; the next attempt is still the second."""
    for attempt in (1, 2, 1):
        box.transaction(partial(jobs.defer_retry, job=Job(1, BOOKING, attempt=attempt)))
    (found,) = waiting_jobs(box)
    assert Job.from_arguments(found.args).attempt == 2


def test_earlier_of_two_retries_counts(box: Database) -> None:
    """Whichever is stored first, the job is due at the sooner of the two times."""
    moment = box.transaction(jobs.read_clock) + timedelta(hours=1)
    for hours in (1, 0, 2):
        at = moment + timedelta(hours=hours)
        box.transaction(partial(jobs.defer_retry, job=Job(1, BOOKING), at=at))
    (found,) = waiting_jobs(box)
    assert found.scheduled_at == moment


def test_waiting_sync_becomes_a_full_one(box: Database) -> None:
    """A full sync stays full, whatever is requested later."""
    for full in (False, True, False):
        box.transaction(partial(jobs.defer_job, job=Job(1, full=full)))
    box.transaction(partial(jobs.defer_retry, job=Job(1)))
    (found,) = waiting_jobs(box)
    assert (found.queueing_lock, found.args["full"]) == ("sync:1", True)


def test_no_worker_starts_a_job_before_its_delivery_is_visible(box: Database) -> None:
    """Until the commit of a delivery that joined a waiting job, that job cannot be fetched."""
    deliver(box, 1, object_id=7)
    fetch = "SELECT (hostaway.procrastinate_fetch_job_v2(NULL, NULL)).id"
    with box.engine.connect() as receiver:
        inbox.accept_delivery(receiver, made(), platform="hostaway")
        assert sql.row(box, fetch).id is None
        receiver.commit()
    assert sql.row(box, fetch).id is not None
    assert len(inbox.find_waiting(box, 1, BOOKING.resource, [BOOKING.object_id]).deliveries[BOOKING.object_id]) == 2


def test_delivery_during_a_job_gets_a_job_of_its_own(box: Database) -> None:
    """Its object is being read already."""
    deliver(box, 1, object_id=7)
    sql.execute(box, "SELECT (hostaway.procrastinate_fetch_job_v2(NULL, NULL)).id")
    deliver(box, 1, object_id=7)
    assert len(waiting_jobs(box)) == 1


def test_two_receivers_at_once_make_one_job(box: Database) -> None:
    """Deliveries for the same objects from several connections never fail, and never deadlock."""

    def receive(numbers: range) -> None:
        for number in numbers:
            deliver(box, 1, object_id=number)

    receivers = [threading.Thread(target=receive, args=(numbers,)) for numbers in (range(1, 40), range(39, 0, -1))]
    for receiver in receivers:
        receiver.start()
    for receiver in receivers:
        receiver.join()
    assert (len(statuses(box)), len(waiting_jobs(box))) == (78, 39)


def test_deliveries_without_a_job_get_one(box: Database) -> None:
    """A pending row without a job gets one; a row with a job, or a settled one, gets none."""
    for number in (1, 2, 3):
        deliver(box, 1, object_id=number)
    sql.execute(box, "DELETE FROM hostaway.procrastinate_jobs WHERE queueing_lock <> 'refresh:1:reservations:1'")
    sql.execute(box, "UPDATE hostaway.webhook_log SET status = 'processed', processed_at = now() WHERE object_id = 3")
    assert inbox.defer_missing_jobs(box) == 1
    assert [job.queueing_lock for job in waiting_jobs(box)] == ["refresh:1:reservations:1", "refresh:1:reservations:2"]
    assert inbox.defer_missing_jobs(box) == 0


def test_pruning_deletes_old_settled_deliveries(box: Database) -> None:
    """Waiting ones stay however old they are, dead ones until they are resolved."""
    for status in ("pending", "failed", "dead", "processed", "ignored"):
        delivery_id = deliver(box, 1)
        settled = "now() - interval '31 days'" if status in {"processed", "ignored"} else "NULL"
        sql.execute(
            box,
            f"UPDATE hostaway.webhook_log SET status = '{status}', created_at = now() - interval '9 years',"
            f" processed_at = {settled} WHERE id = '{delivery_id}'",
        )
    maintenance.prune_settled_deliveries(box, keep=timedelta(days=32))
    assert len(statuses(box)) == 5
    maintenance.prune_settled_deliveries(box, keep=timedelta(days=30))
    assert sorted(statuses(box)) == ["dead", "failed", "pending"]


def test_age_of_the_inbox_is_that_of_the_oldest_pending(box: Database) -> None:
    """None where no delivery waits; a failed one that waits for its next attempt does not count."""
    assert box.transaction(inbox.find_oldest_waiting_age) is None
    deliver(box, 1)
    sql.execute(box, "UPDATE hostaway.webhook_log SET created_at = now() - interval '1 hour'")
    deliver(box, 1)
    age = box.transaction(inbox.find_oldest_waiting_age)
    assert age is not None
    assert age >= timedelta(hours=1)
    sql.execute(box, "UPDATE hostaway.webhook_log SET status = 'failed'")
    assert box.transaction(inbox.find_oldest_waiting_age) is None


def test_queue_works_without_a_search_path(box: Database) -> None:
    """A session without our schema in its path may change a job by hand: its triggers work."""
    deliver(box, 1)
    url = box.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as session:
        session.execute("UPDATE hostaway.procrastinate_jobs SET status = 'doing'")
        session.execute("DELETE FROM hostaway.procrastinate_jobs")
    assert waiting_jobs(box) == []


def made(
    *,
    target: RefreshTarget | None = BOOKING,
    ignored: str | None = None,
    body: bytes = b"{}",
    payload: str | None = "{}",
) -> Delivery:
    """Return a delivery to account 1."""
    event = Event("changed", target, 1, ignored)
    return Delivery(uuid4(), 1, event, body, payload, {"user-agent": "sender"}, "here")
