"""Rows that a single request did not find (404), to be judged by the next sweep of their list.

A 404 for one object may last only a moment, or come from a mistake of the source about many objects. So it marks no
row. It leaves a suspicion, which makes the next sweep due sooner. A suspicion ends when its row is read again, is
marked missing, or when a sweep that began later was whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.tables import MIRRORED, suspicions, watermarks
from hostaway_sync.store.time_marks import is_known, null_if_unknown

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.records import Resource
    from hostaway_sync.store.postgres.database import Database


def note_suspicion(connection: sa.Connection, account_id: int, resource: Resource, record_id: int) -> None:
    """Store that a request just now did not find an object; without a live row, store nothing."""
    table = MIRRORED[resource]
    row = sa.select(
        table.c.account_id,
        sa.literal_column(f"'{resource.value}'"),
        table.c.id,
        sa.func.clock_timestamp(),
    ).where(table.c.account_id == account_id, table.c.id == record_id, table.c.missing_since.is_(None))
    statement = insert(suspicions).from_select(["account_id", "resource", "record_id", "refused_at"], row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "resource", "record_id"],
            set_={"refused_at": statement.excluded.refused_at},
        )
    )


def raise_suspicion(database: Database, account_id: int, resource: Resource, record_id: int) -> None:
    """Store, in a transaction of its own, that a request just now did not find an object."""
    database.transaction(
        lambda connection: note_suspicion(connection, account_id, resource, record_id), is_one_statement=True
    )


def delete_judged(connection: sa.Connection, account_id: int, resource: Resource, *, began_at: datetime) -> None:
    """Delete the suspicions that a whole sweep, begun at `began_at`, has judged."""
    connection.execute(sa.delete(suspicions).where(*_of(account_id, resource), suspicions.c.refused_at < began_at))


def record_hurried_sweep(connection: sa.Connection, account_id: int, resource: Resource, *, began_at: datetime) -> None:
    """Record that suspicions brought a sweep forward, so that those raised since it began wait longer."""
    is_suspected = sa.exists().where(*_of(account_id, resource), suspicions.c.raised_at < began_at)
    statement = sa.update(watermarks).where(
        watermarks.c.account_id == account_id, watermarks.c.resource == resource.value, is_suspected
    )
    connection.execute(statement.values(hurried_at=began_at))


def select_standing() -> sa.Select[tuple[int, str, int, datetime]]:
    """Return the query for the open suspicions: how many, and since when, by account and resource."""
    is_open = sa.or_(
        *(
            sa.and_(
                suspicions.c.resource == resource.value,
                sa.exists().where(
                    table.c.account_id == suspicions.c.account_id,
                    table.c.id == suspicions.c.record_id,
                    table.c.missing_since.is_(None),
                    sa.func.coalesce(null_if_unknown(table.c.observed_at) < suspicions.c.refused_at, sa.true()),
                ),
            )
            for resource, table in MIRRORED.items()
        )
    )
    return (
        sa.select(
            suspicions.c.account_id,
            suspicions.c.resource,
            sa.func.count().label("rows"),
            sa.func.min(suspicions.c.raised_at).label("since"),
        )
        .where(is_open, is_known(suspicions.c.refused_at))
        .group_by(suspicions.c.account_id, suspicions.c.resource)
        .order_by(suspicions.c.account_id, suspicions.c.resource)
    )


def _of(account_id: int, resource: Resource) -> tuple[sa.ColumnElement[bool], ...]:
    return suspicions.c.account_id == account_id, suspicions.c.resource == resource.value
