"""How each list of the other kinds was read last."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.kinds.kind import KindReading
from hostaway_sync.store.tables import listings, reference_readings, reservations, resource_readings
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hostaway_sync.store.postgres.database import Database


def find_readings(database: Database, account_id: int) -> tuple[list[KindReading], list[int], datetime]:
    """Return how each list was read last, the ids of the live listings, and now, by the database's clock.

    What no account owns was read when any account's run read it, and is due when both this account and the installation
    say so.
    """
    reading = resource_readings.c
    query = sa.select(
        reading.kind,
        reading.parent_id,
        null_if_unknown(reading.read_at).label("read_at"),
        null_if_unknown(reading.whole_at).label("whole_at"),
        reading.due_at,
        null_if_unknown(reading.refused_at).label("refused_at"),
    ).where(reading.account_id == account_id)
    live = sa.select(listings.c.id).where(listings.c.account_id == account_id, listings.c.missing_since.is_(None))

    shared = sa.select(
        reference_readings.c.kind,
        null_if_unknown(reference_readings.c.read_at).label("read_at"),
        reference_readings.c.due_at,
    )

    def read(connection: sa.Connection) -> tuple[list[KindReading], list[int], datetime]:
        known = _with_shared([_as_reading(row) for row in connection.execute(query)], connection.execute(shared).all())
        now: datetime = connection.scalars(sa.select(sa.func.now())).one()
        return known, list(connection.scalars(live.order_by(listings.c.id))), now

    return database.transaction(read)


def list_changed_reservations(database: Database, account_id: int, since: datetime) -> list[int]:
    """Return the ids of the reservations whose rows changed at a moment or later."""
    query = sa.select(reservations.c.id).where(
        reservations.c.account_id == account_id, reservations.c.updated_at >= since
    )
    return database.transaction(lambda connection: list(connection.scalars(query.order_by(reservations.c.id))))


def store_reading(connection: sa.Connection, account_id: int, reading: KindReading, error: str | None = None) -> None:
    """Store how a list was read last; `error` is how it was refused or failed."""
    values = {
        "read_at": reading.read_at,
        "whole_at": reading.whole_at,
        "due_at": reading.due_at,
        "refused_at": reading.refused_at,
        "error": error,
    }
    statement = insert(resource_readings).values(
        account_id=account_id, kind=reading.kind, parent_id=_place(reading.parent), **values
    )
    connection.execute(statement.on_conflict_do_update(index_elements=["account_id", "kind", "parent_id"], set_=values))


def delete_readings_of_gone_listings(
    connection: sa.Connection, account_id: int, kind: str, live: Sequence[int]
) -> None:
    """Delete the readings of lists whose listing is not live any more."""
    kept = [_place(None), *map(str, live)]
    is_kept = resource_readings.c.parent_id == sa.func.any(sa.literal(kept, sa.ARRAY(sa.Text)))
    connection.execute(
        sa.delete(resource_readings).where(
            resource_readings.c.account_id == account_id, resource_readings.c.kind == kind, ~is_kept
        )
    )


def _with_shared(own: list[KindReading], shared: Sequence[sa.Row[Any]]) -> list[KindReading]:
    """Return how lists were read last, with those that the runs of all accounts share."""
    found = {(one.kind, one.parent): one for one in own}
    for row in shared:
        mine = found.get((row.kind, None), KindReading(row.kind))
        turns = [turn for turn in (mine.due_at, row.due_at) if turn is not None]
        found[row.kind, None] = replace(
            mine, read_at=row.read_at, whole_at=row.read_at, due_at=max(turns) if turns else None
        )
    return list(found.values())


def _place(parent: int | None) -> str:
    return "" if parent is None else str(parent)


def _as_reading(row: sa.Row[Any]) -> KindReading:
    return KindReading(
        kind=row.kind,
        parent=int(row.parent_id) if row.parent_id else None,
        read_at=row.read_at,
        whole_at=row.whole_at,
        due_at=row.due_at,
        refused_at=row.refused_at,
    )
