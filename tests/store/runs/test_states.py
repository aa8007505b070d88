from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError
from tests.support import sql
from tests.support.records import add_account, at

from hostaway_sync.errors import LeaseLost
from hostaway_sync.model.records import (
    ChangeCounts,
    Mark,
    Mode,
    QualityCounts,
    Resource,
    ResourceReport,
    RunState,
)
from hostaway_sync.store.runs import states as run_states

if TYPE_CHECKING:
    from typing import Any

    from hostaway_sync.store.postgres.database import Database


@pytest.fixture(autouse=True)
def account(database: Database) -> None:
    """Store the account whose runs these are."""
    add_account(database)


def triggered(database: Database, *, max_retries: int = 0) -> uuid.UUID:
    """Trigger a full run."""
    return run_states.create_run(database, 1, Mode.FULL, max_retries=max_retries)


def run(database: Database, run_id: uuid.UUID) -> Any:
    """Return the row of a run."""
    return sql.row(database, "SELECT * FROM sync_runs WHERE run_id = :run_id", run_id=run_id)


def finish(database: Database, run_id: uuid.UUID, state: RunState, error: str | None = None) -> bool:
    """Close a run with five calls."""
    return run_states.finish_run(database, run_id, state, account_id=1, last_sync_at=at(5), error=error, api_calls=5)


@pytest.mark.parametrize("state", [RunState.SUCCESS, RunState.PARTIAL, RunState.FAILED])
def test_run_goes_from_triggered_to_its_end(database: Database, state: RunState) -> None:
    """Every transition stores its time; only a success moves the account's last sync."""
    run_id = triggered(database)
    row = run(database, run_id)
    assert (row.account_id, row.state, row.mode, row.started_at, row.finished_at) == (
        1,
        "triggered",
        "full",
        None,
        None,
    )
    signpost = run_states.start_run(database, run_id, 1)
    row = run(database, run_id)
    assert (row.state, row.started_at, row.retry_count) == ("running", signpost, 0)
    assert finish(database, run_id, state, "why")
    row = run(database, run_id)
    assert (row.state, row.error, row.api_calls) == (state.value, "why", 5)
    assert row.triggered_at <= row.started_at <= row.finished_at
    last_sync_at = sql.row(database, "SELECT last_sync_at FROM accounts").last_sync_at
    assert last_sync_at == (at(5) if state is RunState.SUCCESS else None)


def test_second_attempt_adds_to_the_first(database: Database) -> None:
    """A retried run keeps its start, counts its attempts and adds up its calls."""
    run_id = triggered(database, max_retries=1)
    first = run_states.start_run(database, run_id, 1)
    run_states.record_retry(database, run_id, error="away", api_calls=2)
    row = run(database, run_id)
    assert (row.state, row.error, row.api_calls, row.finished_at) == ("retrying", "away", 2, None)
    second = run_states.start_run(database, run_id, 1)
    row = run(database, run_id)
    assert second > first == row.started_at
    assert (row.state, row.error, row.retry_count, row.max_retries) == ("running", None, 1, 1)
    assert finish(database, run_id, RunState.SUCCESS)
    assert run(database, run_id).api_calls == 7


@pytest.mark.parametrize("left", [RunState.TRIGGERED, RunState.RUNNING, RunState.RETRYING])
def test_start_abandons_the_open_runs_of_its_account(database: Database, left: RunState) -> None:
    """It holds the lease, so their processes are dead; runs of other accounts stay."""
    add_account(database, 2)
    foreign = run_states.create_run(database, 2, Mode.FULL, max_retries=0)
    run_states.start_run(database, foreign, 2)
    orphan = triggered(database)
    if left is not RunState.TRIGGERED:
        run_states.start_run(database, orphan, 1)
    if left is RunState.RETRYING:
        run_states.record_retry(database, orphan, error="away", api_calls=1)
    run_states.start_run(database, triggered(database), 1)
    row = run(database, orphan)
    assert (row.state, row.error) == ("abandoned", run_states.ABANDONED)
    assert row.finished_at is not None
    assert run(database, foreign).state == "running"


def test_abandoned_run_stays_abandoned(database: Database) -> None:
    """Its process may still live: it can neither start again, nor retry, nor end as a success."""
    orphan = triggered(database)
    run_states.start_run(database, orphan, 1)
    run_states.start_run(database, triggered(database), 1)
    assert not finish(database, orphan, RunState.SUCCESS)
    run_states.record_retry(database, orphan, error="away", api_calls=1)
    with pytest.raises(LeaseLost, match=f"run {orphan} was given up by another process"):
        run_states.start_run(database, orphan, 1)
    row = run(database, orphan)
    assert (row.state, row.api_calls) == ("abandoned", 0)
    assert sql.row(database, "SELECT last_sync_at FROM accounts").last_sync_at is None


def test_failed_start_abandons_no_run(database: Database) -> None:
    """The run that works meanwhile stays open."""
    running = triggered(database)
    run_states.start_run(database, running, 1)
    with pytest.raises(LeaseLost):
        run_states.start_run(database, uuid.uuid4(), 1)
    assert run(database, running).state == "running"


def test_skipped_run_is_stored(database: Database) -> None:
    """Another run held the lease: one closed row."""
    run_states.record_skipped(database, 1, Mode.INCREMENTAL, error="held")
    row = sql.row(database, "SELECT * FROM sync_runs")
    assert (row.state, row.mode, row.error, row.started_at) == ("skipped", "incremental", "held", None)
    assert row.finished_at is not None


def test_account_has_at_most_one_open_run(database: Database) -> None:
    """The index enforces what the lease decides."""
    run_states.start_run(database, triggered(database), 1)
    second = triggered(database)
    with pytest.raises(IntegrityError, match="sync_runs_one_open_idx"):
        sql.execute(database, "UPDATE sync_runs SET state = 'running' WHERE run_id = :run_id", run_id=second)


def test_resource_has_one_row_a_run(database: Database) -> None:
    """A second attempt replaces the row; counts that do not add up are refused."""
    run_id = triggered(database)

    def note(report: ResourceReport) -> None:
        database.transaction(lambda c: run_states.record_resource(c, run_id, 1, Resource.LISTINGS, report))

    note(ResourceReport(RunState.FAILED, ChangeCounts(), error="away"))
    counts = ChangeCounts(seen=15, inserted=1, updated=2, unchanged=3, stale=4, quarantined=5, missing=6)
    note(ResourceReport(RunState.SUCCESS, counts, QualityCounts(cleaned=7, misfits=8)))
    row = sql.row(database, "SELECT count(*) OVER () AS entries, * FROM sync_run_resources")
    assert (row.entries, row.run_id, row.resource, row.account_id) == (1, run_id, "listings", 1)
    assert (row.state, row.error, row.cleaned, row.misfits) == ("success", None, 7, 8)
    assert all(getattr(row, name) == getattr(counts, name) for name in ChangeCounts.__slots__)
    with pytest.raises(IntegrityError, match="counts_add_up"):
        note(ResourceReport(RunState.SUCCESS, ChangeCounts(seen=2, inserted=1)))


def test_watermark_is_one_row_a_resource(database: Database) -> None:
    """It moves forward only; an incremental run leaves the sweep's own mark unchanged."""

    def move(resource: Resource, to: float | None, swept: float | None) -> None:
        mark, swept_at = (None if moment is None else at(moment) for moment in (to, swept))
        database.transaction(lambda c: run_states.move_watermark(c, 1, resource, to=mark, swept_at=swept_at))

    move(Resource.LISTINGS, 1, 2)
    move(Resource.RESERVATIONS, 3, 4)
    move(Resource.LISTINGS, 5, 6)
    marks = "SELECT watermark_at, swept_at FROM watermarks WHERE resource = :resource"
    assert sql.row(database, marks, resource="listings") == (at(5), at(6))
    assert sql.row(database, marks, resource="reservations") == (at(3), at(4))
    move(Resource.RESERVATIONS, None, 8)
    assert sql.row(database, marks, resource="reservations") == (at(3), at(8))
    move(Resource.RESERVATIONS, 2, None)
    assert sql.row(database, marks, resource="reservations") == (at(3), at(8))
    found, now = run_states.find_marks(database, 1)
    assert found == {Resource.LISTINGS: Mark(at(5), at(6)), Resource.RESERVATIONS: Mark(at(3), at(8))}
    assert now > at(8)
