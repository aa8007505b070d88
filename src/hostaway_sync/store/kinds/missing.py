"""Objects that whole readings of their list left out, and the marks of those that are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.kinds.absences import LiveObject
from hostaway_sync.store.tables import listings, resources
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.kinds.absences import Absences
    from hostaway_sync.store.kinds.rows import KindRows


def list_live(connection: sa.Connection, rows: KindRows, began_at: datetime) -> list[LiveObject]:
    """Return the objects of a list that are not marked as gone.

    Args:
        connection: its transaction holds the lock of the kind's rows.
        rows: of the list.
        began_at: when a reading of it began.
    """
    table = rows.table
    query = sa.select(
        sa.cast(rows.id, sa.Text).label("name"),
        null_if_unknown(table.c.unlisted_since).label("since"),
        sa.func.coalesce(null_if_unknown(table.c.observed_at) < began_at, sa.true()).label("is_older"),
    ).where(*rows.of_list(), table.c.missing_since.is_(None))
    return [LiveObject(row.name, row.since, row.is_older) for row in connection.execute(query.order_by(rows.id))]


def count_elsewhere(connection: sa.Connection, rows: KindRows) -> tuple[int, int]:
    """Count the objects in other lists of the kind: those that are unlisted, and all that are live."""
    if rows.parent is None:
        return 0, 0
    unlisted = sa.func.count().filter(resources.c.unlisted_since.is_not(None))
    query = sa.select(unlisted, sa.func.count()).where(
        *rows.of_kind(), resources.c.missing_since.is_(None), resources.c.parent_id != rows.parent_id
    )
    found = connection.execute(query).one()
    return int(found[0]), int(found[1])


def store_absences(connection: sa.Connection, rows: KindRows, absences: Absences, began_at: datetime) -> None:
    """Store since when objects are unlisted, and mark those that are gone; the transaction is as in `list_live`."""
    table = rows.table
    if absences.again:
        connection.execute(sa.update(table).where(rows.have(absences.again)).values(unlisted_since=None))
    if absences.first:
        connection.execute(sa.update(table).where(rows.have(absences.first)).values(unlisted_since=began_at))
    if absences.gone:
        # An answer that was requested before now and is written later must not bring the row back.
        now = sa.func.greatest(null_if_unknown(table.c.observed_at), sa.func.now())
        marked = sa.update(table).where(rows.have(absences.gone), table.c.missing_since.is_(None))
        connection.execute(marked.values(missing_since=sa.func.now(), observed_at=now))


def mark_objects_of_gone_listings(connection: sa.Connection, account_id: int, kind: str) -> int:
    """Mark the objects of listings that are gone themselves, whose lists no run reads any more; return how many."""
    gone = sa.select(sa.cast(listings.c.id, sa.Text)).where(
        listings.c.account_id == account_id, listings.c.missing_since.is_not(None)
    )
    statement = sa.update(resources).where(
        resources.c.account_id == account_id,
        resources.c.kind == kind,
        resources.c.missing_since.is_(None),
        resources.c.parent_id.in_(gone),
    )
    return connection.execute(statement.values(missing_since=sa.func.now())).rowcount
