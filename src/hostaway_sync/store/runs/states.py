"""The history of runs, as a state machine whose every arrow is one conditional update.

triggered ──→ running ──→ success | partial | failed
    │            │  ↑
    ↓            ↓  │
 skipped      retrying          (between two attempts)

triggered | running | retrying ──→ abandoned    (its process died)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import LeaseLost
from hostaway_sync.model.records import Mark, Mode, Resource, ResourceReport, RunState
from hostaway_sync.store.postgres.database import note_changes
from hostaway_sync.store.records import suspicions
from hostaway_sync.store.tables import accounts, sync_run_resources, sync_runs, watermarks
from hostaway_sync.store.tables import suspicions as suspicions_table
from hostaway_sync.store.tables.count_columns import to_columns
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.store.postgres.database import Database

ABANDONED = "its process died, or was paused so long that another run took over"
_OPEN = (RunState.TRIGGERED, RunState.RUNNING, RunState.RETRYING)


def create_run(database: Database, account_id: int, mode: Mode, *, max_retries: int) -> UUID:
    """Store a run that was asked for, and return its id."""
    statement = (
        sa.insert(sync_runs)
        .values(account_id=account_id, mode=mode.value, max_retries=max_retries)
        .returning(sync_runs.c.run_id)
    )
    run_id: UUID = database.transaction(lambda connection: connection.execute(statement).scalar_one())
    return run_id


def record_skipped(database: Database, account_id: int, mode: Mode, *, error: str) -> None:
    """Store a run that was asked for while another run held the lease."""
    statement = sa.insert(sync_runs).values(
        account_id=account_id, mode=mode.value, state=RunState.SKIPPED.value, finished_at=sa.func.now(), error=error
    )
    database.transaction(lambda connection: connection.execute(statement))


def start_run(database: Database, run_id: UUID, account_id: int) -> datetime:
    """Move triggered | retrying → running, and open runs of before → abandoned. Requires the account's lease.

    Returns:
        The time at which the run started, by the database's clock: its signpost.

    Raises:
        LeaseLost: another process has abandoned the run.
    """

    def write(connection: sa.Connection) -> datetime:
        orphans = (
            sa.update(sync_runs)
            .where(sync_runs.c.account_id == account_id, sync_runs.c.run_id != run_id, _state_in(_OPEN))
            .values(
                state=RunState.ABANDONED.value,
                finished_at=sa.func.now(),
                error=ABANDONED,
            )
        )
        connection.execute(orphans)
        statement = (
            sa.update(sync_runs)
            .where(sync_runs.c.run_id == run_id, _state_in((RunState.TRIGGERED, RunState.RETRYING)))
            .values(
                state=RunState.RUNNING.value,
                started_at=sa.func.coalesce(sync_runs.c.started_at, sa.func.now()),
                retry_count=sync_runs.c.retry_count + sa.case((_state_in((RunState.RETRYING,)), 1), else_=0),
                error=None,
            )
            .returning(sa.func.now())
        )
        started: datetime | None = connection.scalar(statement)
        if started is None:
            raise LeaseLost(f"run {run_id} was given up by another process")
        return started

    return database.transaction(write)


def record_retry(database: Database, run_id: UUID, *, error: str, api_calls: int) -> None:
    """Move running → retrying, between two attempts."""
    database.transaction(
        lambda c: _move(
            c, run_id, (RunState.RUNNING,), RunState.RETRYING, error=error, api_calls=sync_runs.c.api_calls + api_calls
        )
    )


def finish_run(
    database: Database,
    run_id: UUID,
    state: RunState,
    *,
    account_id: int,
    last_sync_at: datetime | None,
    error: str | None,
    api_calls: int,
) -> bool:
    """Close a run as `state`; a success also moves the account's `last_sync_at`, where one is given.

    Returns:
        False when another process had already closed the run.
    """

    def write(connection: sa.Connection) -> bool:
        note_changes(connection)
        moved = _move(connection, run_id, _OPEN, state, error=error, api_calls=sync_runs.c.api_calls + api_calls)
        if moved and state is RunState.SUCCESS and last_sync_at is not None:
            connection.execute(
                sa.update(accounts).where(accounts.c.account_id == account_id).values(last_sync_at=last_sync_at)
            )
        return moved

    return database.transaction(write)


def record_resource(
    connection: sa.Connection, run_id: UUID, account_id: int, resource: str, report: ResourceReport
) -> None:
    """Store the report of a resource of a run; that of a second attempt replaces it."""
    values = {
        **to_columns(report.counts),
        "account_id": account_id,
        "state": report.state.value,
        "cleaned": report.quality.cleaned,
        "misfits": report.quality.misfits,
        "error": report.error,
    }
    statement = insert(sync_run_resources).values(run_id=run_id, resource=str(resource), **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id", "resource"], set_=values))


def has_failed_last(database: Database, account_id: int, resource: str) -> bool:
    """Whether a resource was not read whole by the last run that ended and was to read it."""
    part = sync_run_resources.c
    query = (
        sa.select(part.state)
        .join_from(sync_run_resources, sync_runs, sync_runs.c.run_id == part.run_id)
        .where(part.account_id == account_id, part.resource == str(resource), sync_runs.c.finished_at.is_not(None))
        .order_by(null_if_unknown(sync_runs.c.triggered_at).desc().nulls_last())
        .limit(1)
    )
    state = database.transaction(lambda connection: connection.scalar(query), is_one_statement=True)
    return state not in {None, RunState.SUCCESS.value}


def move_watermark(
    connection: sa.Connection, account_id: int, resource: Resource, *, to: datetime | None, swept_at: datetime | None
) -> None:
    """Record that everything stamped up to `to` is mirrored; the watermark never moves back.

    Args:
        connection: its transaction records it.
        account_id: the account.
        resource: the resource of the walk.
        to: the new watermark; None leaves it where it is.
        swept_at: the start of the full walk that showed it; None after an incremental one.
    """
    statement = insert(watermarks).values(
        account_id=account_id, resource=resource.value, watermark_at=to, swept_at=swept_at
    )
    new = statement.excluded
    values = {
        "watermark_at": sa.func.greatest(null_if_unknown(watermarks.c.watermark_at), new.watermark_at),
        "swept_at": sa.func.coalesce(new.swept_at, null_if_unknown(watermarks.c.swept_at)),
        "updated_at": sa.func.now(),
    }
    connection.execute(statement.on_conflict_do_update(index_elements=["account_id", "resource"], set_=values))


def find_marks(database: Database, account_id: int) -> tuple[dict[Resource, Mark], datetime]:
    """Return how far each resource is mirrored, without those that are not, and the database's time."""
    moments = (null_if_unknown(watermarks.c[name]).label(name) for name in ("watermark_at", "swept_at", "hurried_at"))
    query = sa.select(watermarks.c.resource, *moments).where(watermarks.c.account_id == account_id)
    doubted = suspicions.select_standing().where(suspicions_table.c.account_id == account_id)

    def read(connection: sa.Connection) -> tuple[dict[Resource, Mark], datetime]:
        rows = connection.execute(query).all()
        suspected_at = {row.resource: row.since for row in connection.execute(doubted)}
        now = connection.scalars(sa.select(sa.func.now())).one()
        found = {
            Resource(row.resource): Mark(row.watermark_at, row.swept_at, suspected_at.get(row.resource), row.hurried_at)
            for row in rows
        }
        return found, now

    return database.transaction(read)


def _state_in(states: tuple[RunState, ...]) -> sa.ColumnElement[bool]:
    return sync_runs.c.state.in_([state.value for state in states])


def _move(
    connection: sa.Connection, run_id: UUID, before: tuple[RunState, ...], after: RunState, **values: object
) -> bool:
    final = after not in _OPEN
    statement = (
        sa.update(sync_runs)
        .where(sync_runs.c.run_id == run_id, _state_in(before))
        .values(state=after.value, finished_at=sa.func.now() if final else None, **values)
        .returning(sync_runs.c.run_id)
    )
    return connection.scalar(statement) is not None
