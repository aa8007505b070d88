from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.records import add_account, at, page, record, write

from hostaway_sync.model.api_calls import Bucket
from hostaway_sync.model.records import ChangeCounts, Mode, Owner, Resource, ResourceReport, RunState
from hostaway_sync.model.status import BucketUsage, Certificate, DueThreads, QuarantineCounts, RecentRuns, RowCounts
from hostaway_sync.store.request_budget import DatabaseBudget
from hostaway_sync.store.runs import leases
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.store.status.overview import read_history, read_overview
from hostaway_sync.store.tables import conversations, reservations, sync_runs, verifications, walk_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.model.status import AccountFacts
    from hostaway_sync.store.postgres.database import Database

WINDOW = timedelta(seconds=10)
HOUR = timedelta(hours=1)


def buckets_of(account_id: int) -> tuple[Bucket, Bucket]:
    """Return the limits of an account."""
    return Bucket("ip:office", 200, WINDOW), Bucket(f"account:{account_id}", 100, WINDOW)


def facts(database: Database, account_id: int = 1) -> AccountFacts:
    """Return the facts of one account, which are the same alone and among all."""
    (found,) = read_overview(database, buckets_of, account_id=account_id).accounts
    assert found in read_overview(database, buckets_of).accounts
    return found


def do(database: Database, statement: sa.Executable) -> None:
    """Execute a statement."""
    database.transaction(lambda connection: connection.execute(statement))


def add_run(database: Database, state: RunState, *, ago: timedelta, account_id: int = 1, **values: Any) -> UUID:
    """Store a run that was triggered so long ago and took a minute."""
    run_id = uuid4()
    begun = sa.func.now() - ago
    is_over = state not in {RunState.TRIGGERED, RunState.RUNNING, RunState.RETRYING}
    given = {"mode": Mode.INCREMENTAL.value, "finished_at": begun + timedelta(minutes=1) if is_over else None} | values
    do(
        database,
        sa.insert(sync_runs).values(
            run_id=run_id, account_id=account_id, state=state.value, triggered_at=begun, started_at=begun, **given
        ),
    )
    return run_id


@pytest.fixture(autouse=True)
def two_accounts(database: Database) -> Iterator[None]:
    """Store the account of these tests, and another one whose rows must not be counted."""
    add_account(database)
    add_account(database, 2)
    write(database, page(record(1, {}), record(2, {})), Owner(2))
    add_run(database, RunState.FAILED, ago=HOUR, account_id=2, api_calls=40, error="of another account")
    yield
    assert facts(database, 2).rows == {Resource.LISTINGS: RowCounts(2, 0)}
    assert facts(database, 2).recent.calls == 40


def test_new_account_has_no_facts(database: Database) -> None:
    """Every value is None or zero."""
    found = facts(database)
    assert (found.account_id, found.name, found.is_active, found.last_sync_at) == (1, None, True, None)
    assert (found.rows, found.due, found.lease, found.open_run, found.last_run) == ({}, {}, None, None, None)
    assert (found.certificate, found.equal_at, found.limit) == (None, None, None)
    assert (found.recent, found.quarantine, found.records_read) == (RecentRuns(), QuarantineCounts(), 0)


def test_unknown_account_is_not_in_the_overview(database: Database) -> None:
    """Without an account there is no address, either."""
    found = read_overview(database, buckets_of, account_id=99)
    assert (found.accounts, found.address) == ((), None)


def test_rows_are_counted_by_resource_and_missing_ones_apart(database: Database) -> None:
    """All rows, and those that the source no longer lists."""
    write(database, page(record(1, {}), record(2, {}), record(3, {})))
    sql.execute(database, "UPDATE listings SET missing_since = now() WHERE account_id = 1 AND id = 2")
    found = facts(database)
    assert found.rows == {Resource.LISTINGS: RowCounts(3, 1)}
    assert found.live(Resource.LISTINGS) == 2
    assert found.live(Resource.MESSAGES) == 0


def test_marks_are_counted_with_the_oldest(database: Database) -> None:
    """Those of conversations, and of reservations; a missing row has none."""
    for table in (reservations, conversations):
        for number, due in enumerate((at(5), at(3), at(1), None)):
            row = {"account_id": 1, "id": number, "observed_at": at(0), "payload_hash": b"", "raw_payload": {}}
            do(database, sa.insert(table).values(row | {"thread_due_at": due}))
        do(database, sa.update(table).where(table.c.id == 2).values(missing_since=at(9)))
    do(database, sa.update(reservations).where(reservations.c.id == 1).values(thread_due_at=None))
    assert facts(database).due == {
        Resource.RESERVATIONS: DueThreads(1, at(5)),
        Resource.CONVERSATIONS: DueThreads(2, at(3)),
    }


def test_last_run_is_the_newest_that_ended(database: Database) -> None:
    """Neither a skipped one nor the running one."""
    add_run(database, RunState.SUCCESS, ago=3 * HOUR)
    add_run(database, RunState.PARTIAL, ago=2 * HOUR, error="half", api_calls=9)
    add_run(database, RunState.SKIPPED, ago=HOUR)
    add_run(database, RunState.RUNNING, ago=HOUR / 2, mode="full")
    found = facts(database)
    assert found.last_run is not None
    assert found.open_run is not None
    assert (found.last_run.state, found.last_run.error, found.last_run.api_calls) == (RunState.PARTIAL, "half", 9)
    assert (found.open_run.state, found.open_run.mode) == (RunState.RUNNING, Mode.FULL)
    assert found.open_run.finished_at is None


def test_lease_is_shown_while_it_is_held(database: Database) -> None:
    """With its host; neither an expired one nor a released one."""
    lease = leases.acquire_lease(database, 1, "dock/boot/pid/7/99#ab")
    held = facts(database).lease
    assert held is not None
    assert held.host == "dock"
    sql.execute(database, "UPDATE leases SET expires_at = now() - interval '1 s'")
    assert facts(database).lease is None
    leases.renew_lease(database, lease)
    leases.release_lease(database, lease)
    assert facts(database).lease is None


def test_records_of_the_running_run_are_counted(database: Database) -> None:
    """From its pages; an older run's pages do not count."""
    run_id = add_run(database, RunState.RUNNING, ago=HOUR)
    for of_run, keys in ((run_id, [1, 2, 3]), (run_id, [4]), (uuid4(), [5])):
        values = {"run_id": of_run, "walk_id": of_run, "account_id": 1, "resource": "listings"}
        do(database, sa.insert(walk_pages).values(values | {"record_keys": keys, "changes": [0] * len(keys)}))
    assert facts(database).records_read == 4


def test_newest_certificates_are_shown(database: Database) -> None:
    """The newest one with its findings, and the newest without a difference."""
    found = {"missing": 2, "extra": 1, "different": 3, "newer_at_source": None}
    document = {"resources": {"listings": found, "reservations": found | {"newer_at_source": 4}}, "error": "why"}
    for minutes, is_equal in ((1, True), (2, True), (3, False)):
        values = {"account_id": 1, "verified_at": at(minutes), "is_equal": is_equal, "is_deep": minutes == 3}
        do(database, sa.insert(verifications).values(values | {"api_calls": 4, "certificate": document}))
    told = facts(database)
    assert told.certificate == Certificate(
        at(3), is_equal=False, is_deep=True, api_calls=4, differences=12, late=4, error="why"
    )
    assert told.equal_at == at(2)


def test_calls_are_summed_a_day_and_averaged_a_week(database: Database) -> None:
    """Incremental runs that were whole give the mean; full ones the seconds a request."""
    add_run(database, RunState.SUCCESS, ago=HOUR, api_calls=2)
    add_run(database, RunState.ABANDONED, ago=2 * HOUR, api_calls=0)
    add_run(database, RunState.SUCCESS, ago=3 * HOUR, api_calls=120, mode="full")
    add_run(database, RunState.SUCCESS, ago=30 * HOUR, api_calls=6)
    add_run(database, RunState.FAILED, ago=31 * HOUR, api_calls=1000)
    add_run(database, RunState.SUCCESS, ago=200 * HOUR, api_calls=1000)
    assert facts(database).recent == RecentRuns(122, 1, 4.0, 0.5)


def test_quarantine_counts_records_without_a_row_and_cleaned_ones(database: Database) -> None:
    """Records without a row count while they still come; a cleaned row counts once, however often it came."""
    write(database, page(record(None, "null", exact=b"x", reason="not JSON")))
    write(database, page(record(5, {"a": 1}, exact=b"y", reason="cleaned")))
    write(database, page(record(5, {"a": 2}, exact=b"z", reason="cleaned"), asked=1))
    assert facts(database).quarantine == QuarantineCounts(rowless=1, cleaned=1)
    sql.execute(database, "UPDATE quarantined_records SET last_seen_at = now() - interval '3 days'")
    assert facts(database).quarantine == QuarantineCounts(rowless=0, cleaned=1)


def test_limits_are_shown_with_their_use(database: Database) -> None:
    """The slots of the current window, and the source's change of the limit, while it counts."""
    budget = DatabaseBudget(database)
    for _ in range(3):
        budget.reserve(buckets_of(1))
    found = read_overview(database, buckets_of)
    assert found.address == BucketUsage("ip:office", 3, 200, WINDOW)
    assert found.accounts[0].limit == BucketUsage("account:1", 3, 100, WINDOW)
    assert found.accounts[1].limit is None
    budget.penalize(buckets_of(1)[1:], retry_in=HOUR, limit=15)
    harmed = facts(database).limit
    assert harmed is not None
    assert harmed.lowered_to == 15
    assert harmed.lowered_until is not None
    assert harmed.silent_until is not None
    past = "now() - interval '1 day'"
    sql.execute(
        database, f"UPDATE request_budget SET slots = ARRAY[{past}], not_before = {past}, lowered_until = {past}"
    )
    assert facts(database).limit == BucketUsage("account:1", 0, 100, WINDOW)


def test_address_without_requests_is_shown_as_unused(database: Database) -> None:
    """Its limit is known from the settings."""
    assert read_overview(database, buckets_of).address == BucketUsage("ip:office", 0, 200, WINDOW)


def test_history_is_newest_first_with_counts_of_each_run(database: Database) -> None:
    """No more runs than requested, each with its resources in the order of mirroring."""
    for hours in (4, 2, 3):
        run_id = add_run(database, RunState.SUCCESS, ago=hours * HOUR, api_calls=hours)
        for resource in (Resource.RESERVATIONS, Resource.LISTINGS):
            report = ResourceReport(RunState.SUCCESS, ChangeCounts(seen=hours, inserted=hours), error="why")
            with database.engine.begin() as connection:
                run_states.record_resource(connection, run_id, 1, resource, report)
    newest, second = read_history(database, 1, runs=2)
    assert [newest.run.api_calls, second.run.api_calls] == [2, 3]
    assert list(newest.parts) == [Resource.LISTINGS, Resource.RESERVATIONS]
    assert newest.parts[Resource.LISTINGS].counts == ChangeCounts(seen=2, inserted=2)
    assert newest.parts[Resource.LISTINGS].error == "why"
    assert read_history(database, 99, runs=2) == []
