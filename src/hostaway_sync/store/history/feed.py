"""Read the feed of changes in batches and keyset pages: no change is skipped, doubled or out of its record's order.

A transaction gets its id before it writes and its changes get theirs before it commits, so that neither order is the
order of commits. A batch therefore ends where the oldest running transaction began: everything below is settled, and a
record's two changes lie either in one batch, where `change_id` orders them, or in two batches in the true order.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.errors import UsageError
from hostaway_sync.model.history.feed import EVERYTHING, FeedCursor, FeedPage, RecordChange
from hostaway_sync.store.postgres.json_values import read_exact_json
from hostaway_sync.store.tables import change_clock, changes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hostaway_sync.model.history.feed import FeedFilter

CHANNEL: Final = "hostaway_sync_changes"
"""Where the database notifies of a transaction that wrote changes; the text means nothing."""

PAGE: Final = 500
_DOCUMENTS: Final = ("before", "after")
CHANGE_COLUMNS: Final = tuple(
    sa.cast(changes.c[one.name], sa.Text).label(one.name) if one.name in _DOCUMENTS else changes.c[one.name]
    for one in fields(RecordChange)
)
"""The columns that `build_change` reads, in the order of the fields of a change."""

_READERS: Final[dict[str, Callable[[Any], object]]] = {
    "keys": tuple,
    "before": read_exact_json,
    "after": read_exact_json,
}
_READ: Final = [(place, _READERS[one.name]) for place, one in enumerate(fields(RecordChange)) if one.name in _READERS]

_XMIN: Final = sa.cast(sa.cast(sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot()), sa.Text), sa.BigInteger)
_OFFSET: Final = sa.func.coalesce(sa.select(change_clock.c.position_offset).scalar_subquery(), 0)
_SETTLED: Final = _OFFSET + _XMIN
# Each query can follow an index in its own order. The planner would rather sort a million rows for each page where its
# statistics know nothing of the newest positions, which is whenever many changes have just come.
_PLANS: Final = ("enable_sort", "enable_seqscan", "enable_bitmapscan")


def read_page(
    connection: sa.Connection, cursor: FeedCursor, wanted: FeedFilter = EVERYTHING, *, limit: int = PAGE
) -> FeedPage:
    """Return the next changes after a cursor, at most `limit`, in the transaction of `connection`.

    Raises:
        UsageError: the cursor is ahead of this database.
    """
    settled = _read_settled(connection, cursor)
    has_lost = _has_lost(connection, cursor, wanted)
    batch, rows = cursor, _read_batch(connection, cursor, wanted, limit)
    if not rows and batch.high < settled:
        batch = _open_batch(connection, batch.high, settled)
        rows = _read_batch(connection, batch, wanted, limit)
    is_read = len(rows) < limit
    entries = tuple((batch.at(row.change_id), build_change(row)) for row in rows)
    return FeedPage(
        entries,
        FeedCursor.after_all_below(batch.high) if is_read else entries[-1][0],
        is_last=is_read and batch.high >= settled,
        is_waiting=_is_waiting(connection, settled, wanted),
        has_lost=has_lost,
    )


def find_start(connection: sa.Connection, since: datetime) -> FeedCursor:
    """Return a cursor before all changes later than `since`; earlier ones may follow it, too."""
    # Without the subquery the planner may look for the lowest position whose change is late enough, from the first on.
    later = sa.select(changes.c.position).where(changes.c.changed_at > since).offset(0).subquery()
    first = sa.select(sa.func.min(later.c.position)).scalar_subquery()
    return FeedCursor.after_all_below(connection.execute(sa.select(sa.func.least(first, _SETTLED))).scalar_one())


def find_end(connection: sa.Connection) -> FeedCursor:
    """Return the cursor after everything that is settled: where a reader of what is still to come begins."""
    return FeedCursor.after_all_below(connection.execute(sa.select(_SETTLED)).scalar_one())


def _read_settled(connection: sa.Connection, cursor: FeedCursor) -> int:
    """Return the position below which every transaction has ended; plan by indexes from here on."""
    settled: int = connection.execute(sa.select(_SETTLED, *_plan_settings("off"))).scalar_one()
    if settled < cursor.high:
        raise UsageError(
            f"the cursor {cursor} is ahead of this database: it is of another one, or this one was restored from an "
            "older backup; begin again without a cursor"
        )
    return settled


def _is_waiting(connection: sa.Connection, settled: int, wanted: FeedFilter) -> bool:
    """Whether changes are committed that are not settled; plan as usual from here on."""
    # In the order of positions: the planner would rather look through all changes of the accounts.
    first = (
        sa.select(changes.c.position)
        .where(changes.c.position >= settled, *_of_accounts(wanted))
        .order_by(changes.c.position)
        .limit(1)
        .scalar_subquery()
    )
    waiting = first.is_not(None)
    found: bool = connection.execute(sa.select(waiting, *_plan_settings("on"))).scalar_one()
    return found


def _plan_settings(value: str) -> list[sa.ColumnElement[str]]:
    return [sa.func.set_config(name, value, sa.true()) for name in _PLANS]


def _open_batch(connection: sa.Connection, low: int, high: int) -> FeedCursor:
    """Return the cursor before the first change of the batch between two positions."""
    if not low:
        return FeedCursor(low, high, 0)
    inside = sa.select(changes.c.change_id).where(changes.c.position >= low, changes.c.position < high)
    # As in `find_start`: the range of positions is to be read, not the whole table by number.
    first = connection.scalar(sa.select(sa.func.min(inside.offset(0).subquery().c.change_id)))
    return FeedCursor.after_all_below(high) if first is None else FeedCursor(low, high, first - 1)


def _read_batch(connection: sa.Connection, batch: FeedCursor, wanted: FeedFilter, limit: int) -> list[sa.Row[Any]]:
    if batch.low == batch.high:
        return []
    query = sa.select(*CHANGE_COLUMNS).where(
        changes.c.change_id > batch.change_id, changes.c.position >= batch.low, changes.c.position < batch.high
    )
    query = query.where(*_of_accounts(wanted))
    if wanted.resource is not None:
        query = query.where(changes.c.resource == wanted.resource)
    if wanted.after is not None:
        query = query.where(changes.c.changed_at > wanted.after)
    return list(connection.execute(query.order_by(changes.c.change_id).limit(limit)))


def _of_accounts(wanted: FeedFilter) -> list[sa.ColumnElement[bool]]:
    if wanted.account_ids is None:
        return []
    if len(wanted.account_ids) == 1:
        return [changes.c.account_id == min(wanted.account_ids)]
    return [changes.c.account_id == sa.func.any(sa.cast(sorted(wanted.account_ids), sa.ARRAY(sa.BigInteger)))]


def _has_lost(connection: sa.Connection, cursor: FeedCursor, wanted: FeedFilter) -> bool:
    """Whether changes after a cursor were deleted: no change up to it is left, nor is the very next one.

    Of a cursor that names no change nothing can be told: all changes may be gone that were read before. A reader who
    sees some accounts alone is told so too often rather than too seldom: the change may be there, and be another's.
    """
    number, seen = cursor.change_id, _of_accounts(wanted) if wanted.is_bound else []
    if not number or connection.scalar(sa.select(changes.c.change_id).where(changes.c.change_id == number, *seen)):
        return False
    oldest = connection.execute(
        sa.select(changes.c.change_id, changes.c.position)
        .where(*seen)
        .order_by(changes.c.position, changes.c.change_id)
        .limit(1)
    ).first()
    if oldest is None or oldest.position < cursor.low:
        return False
    first: int = connection.execute(sa.select(sa.func.min(changes.c.change_id)).where(*seen)).scalar_one()
    return first > number + 1


def build_change(row: sa.Row[Any]) -> RecordChange:
    """Return the change of a row that begins with `CHANGE_COLUMNS`."""
    values: list[Any] = list(row[: len(CHANGE_COLUMNS)])
    for place, read in _READ:
        values[place] = None if values[place] is None else read(values[place])
    return RecordChange(*values)
