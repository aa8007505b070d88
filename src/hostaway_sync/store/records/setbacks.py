"""Rows whose stamp went back at the source: each stays as it is until two whole sweeps agree that it is older.

met by any reading ──→ noted ──→ met by a sweep that was whole ──→ met by another one: the source's version is stored
                         └──→ its stamp went back once more: the first sweep counts no longer
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.records import Resource
from hostaway_sync.store.tables import MIRRORED, setbacks
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.model.records import Record
    from hostaway_sync.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Sweep:
    """The walk of a whole list that a page belongs to, and when it began."""

    walk_id: UUID
    began_at: datetime


def note_setbacks(
    connection: sa.Connection,
    account_id: int,
    resource: Resource,
    found: Iterable[tuple[Record, datetime]],
    sweep: Sweep | None,
) -> None:
    """Store records whose stamps went back, each with the time at which it was requested."""
    rows = [
        {
            "account_id": account_id,
            "resource": resource.value,
            "record_id": record.id,
            "source_updated_at": record.source_updated_at,
            "observed_at": observed_at,
            "walk_id": None if sweep is None else sweep.walk_id,
        }
        for record, observed_at in found
    ]
    statement = insert(setbacks)
    new = statement.excluded
    is_further_back = new.source_updated_at < setbacks.c.source_updated_at
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "resource", "record_id"],
            set_={
                "source_updated_at": new.source_updated_at,
                "observed_at": sa.func.greatest(setbacks.c.observed_at, new.observed_at),
                "walk_id": sa.case(
                    (is_further_back, new.walk_id), else_=sa.func.coalesce(new.walk_id, setbacks.c.walk_id)
                ),
                "swept_at": sa.case((is_further_back, sa.null()), else_=setbacks.c.swept_at),
            },
        ),
        rows,
    )


def pop_agreed(
    connection: sa.Connection, account_id: int, resource: Resource, found: Collection[Record], sweep: Sweep
) -> list[Record]:
    """Return, and delete here, the records that an earlier whole sweep met with a stamp no later than theirs now."""
    stamps = {record.id: record.source_updated_at for record in found}
    is_one = setbacks.c.record_id == sa.func.any(sa.literal(list(stamps), sa.ARRAY(sa.BigInteger)))
    query = sa.select(setbacks.c.record_id, setbacks.c.source_updated_at).where(
        *_of(account_id, resource), is_one, null_if_unknown(setbacks.c.swept_at) < sweep.began_at
    )
    earlier = {row.record_id: row.source_updated_at for row in connection.execute(query)}
    both = [
        record
        for record in found
        if record.id in earlier
        and record.source_updated_at is not None
        and record.source_updated_at >= earlier[record.id]
    ]
    ids = sa.literal([record.id for record in both], sa.ARRAY(sa.BigInteger))
    connection.execute(sa.delete(setbacks).where(*_of(account_id, resource), setbacks.c.record_id == sa.func.any(ids)))
    return both


def clear_stamps(connection: sa.Connection, account_id: int, resource: Resource, records: Iterable[Record]) -> None:
    """Clear the stamps of rows, so that an older version can replace them."""
    table = MIRRORED[resource]
    ids = sa.literal([record.id for record in records], sa.ARRAY(sa.BigInteger))
    of_them = (table.c.account_id == account_id, table.c.id == sa.func.any(ids))
    connection.execute(sa.update(table).where(*of_them).values(source_updated_at=None))


def record_sweep(connection: sa.Connection, account_id: int, resource: Resource, sweep: Sweep) -> None:
    """Record that a sweep was whole: the setbacks that it met count from now on, and the others are deleted."""
    is_met = setbacks.c.walk_id == sweep.walk_id
    began_at = sa.func.coalesce(setbacks.c.swept_at, sa.literal(sweep.began_at, setbacks.c.swept_at.type))
    connection.execute(sa.update(setbacks).where(*_of(account_id, resource), is_met).values(swept_at=began_at))
    is_over = sa.and_(setbacks.c.walk_id.is_distinct_from(sweep.walk_id), setbacks.c.observed_at < sweep.began_at)
    connection.execute(sa.delete(setbacks).where(*_of(account_id, resource), is_over))


def count_met_since(database: Database, account_id: int, moment: datetime) -> dict[Resource, int]:
    """Count, by resource, the rows whose setback was met at `moment` or later and stands."""
    query = select_standing().where(setbacks.c.account_id == account_id, setbacks.c.observed_at >= moment)
    rows = database.transaction(lambda connection: connection.execute(query).all())
    return {Resource(row.resource): row.rows for row in rows}


def select_standing() -> sa.Select[tuple[int, str, int, datetime]]:
    """Return the query for the setbacks that stand: how many, and since when, by account and resource.

    A setback stands while its row has the later stamp and was not written since; else a newer version replaced it.
    """
    is_behind = sa.or_(
        *(
            sa.and_(
                setbacks.c.resource == resource.value,
                sa.exists().where(
                    table.c.account_id == setbacks.c.account_id,
                    table.c.id == setbacks.c.record_id,
                    table.c.source_updated_at > setbacks.c.source_updated_at,
                    sa.func.coalesce(null_if_unknown(table.c.observed_at) <= setbacks.c.observed_at, sa.true()),
                ),
            )
            for resource, table in MIRRORED.items()
        )
    )
    return (
        sa.select(
            setbacks.c.account_id,
            setbacks.c.resource,
            sa.func.count().label("rows"),
            sa.func.min(setbacks.c.noticed_at).label("since"),
        )
        .where(is_behind)
        .group_by(setbacks.c.account_id, setbacks.c.resource)
        .order_by(setbacks.c.account_id, setbacks.c.resource)
    )


def _of(account_id: int, resource: Resource) -> tuple[sa.ColumnElement[bool], ...]:
    return setbacks.c.account_id == account_id, setbacks.c.resource == resource.value
