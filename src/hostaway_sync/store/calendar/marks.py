"""Marks of days that must be read again, set in the transaction that stores what changed them.

A mark is the time at which the request was granted that showed the change. Only an answer that was asked for later
clears it.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.calendar.stays import Stay, find_touched_days, merge_days
from hostaway_sync.store.tables import Timestamp, calendar_due, reservations
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hostaway_sync.model.calendar.days import Days
    from hostaway_sync.model.records import Page
    from hostaway_sync.model.vocabulary import Vocabulary

STAY_COLUMNS: Final = ("listing_id", "arrival_date", "departure_date", "status")
"""The columns of a reservation that decide which days it takes."""
REASON: Final = "a stay changed"
LINKED: Final = "a stay changed on a linked listing"
WRITTEN: Final = "a host wrote them"


def read_stay(columns: Mapping[str, Any], words: Vocabulary) -> Stay:
    """Return what the columns of a reservation say of the days that it takes."""
    return Stay(
        columns.get("listing_id"),
        columns.get("arrival_date"),
        columns.get("departure_date"),
        columns.get("status") not in words.vacant_statuses,
    )


def mark_changed_stays(
    connection: sa.Connection, account_id: int, page: Page, before: Mapping[int, Mapping[str, Any] | None]
) -> None:
    """Mark the days that reservations of a page touch.

    Args:
        connection: its transaction has stored the page.
        account_id: whose reservations.
        page: of reservations.
        before: by id, `STAY_COLUMNS` of each row that was inserted or changed; None: there was none, or it was gone.
    """
    words = page.shape.vocabulary
    touched: list[tuple[int, Days]] = []
    for record in page.records:
        if record.id is not None and record.id in before:
            columns = before[record.id]
            old = None if columns is None else read_stay(columns, words)
            touched += find_touched_days(old, read_stay(record.columns, words))
    _mark(connection, account_id, touched, page.observed_at)


def mark_gone_stay(connection: sa.Connection, account_id: int, reservation_id: int) -> None:
    """Mark the days of a reservation that was just marked missing, whatever its status."""
    query = sa.select(*(reservations.c[name] for name in STAY_COLUMNS), sa.func.clock_timestamp().label("now")).where(
        reservations.c.account_id == account_id, reservations.c.id == reservation_id
    )
    for row in connection.execute(query):
        old = Stay(row.listing_id, row.arrival_date, row.departure_date, is_taking=True)
        _mark(connection, account_id, find_touched_days(old, None), row.now)


def mark_days(connection: sa.Connection, account_id: int, listing_id: int, days: Days, due_at: datetime) -> None:
    """Mark days of a listing that a write from here may change."""
    _mark(connection, account_id, [(listing_id, days)], due_at, WRITTEN)


def mark_linked_days(connection: sa.Connection, account_id: int, days: Mapping[int, Days], due_at: datetime) -> None:
    """Mark days of listings, by listing, because a stay changed on a listing that is linked with them."""
    _mark(connection, account_id, days.items(), due_at, LINKED)


def _mark(
    connection: sa.Connection,
    account_id: int,
    touched: Iterable[tuple[int, Days]],
    due_at: datetime,
    reason: str = REASON,
) -> None:
    # In the order of their ids: two writers of the same marks must not deadlock.
    marks = sorted(merge_days(touched).items())
    if not marks:
        return
    arrays = (
        sa.cast([listing_id for listing_id, _ in marks], sa.ARRAY(sa.BigInteger)),
        sa.cast([days.first for _, days in marks], sa.ARRAY(sa.Date)),
        sa.cast([days.last for _, days in marks], sa.ARRAY(sa.Date)),
    )
    names = (sa.column("listing_id", sa.BigInteger), sa.column("first_day", sa.Date), sa.column("last_day", sa.Date))
    rows = sa.func.unnest(*arrays).table_valued(*names, name="touched").render_derived()
    # Days that are over change no more; in no time zone is it more than a day earlier than here.
    is_ahead = rows.c.last_day >= sa.func.current_date() - 1
    wanted = (sa.literal(account_id, sa.BigInteger), *rows.c, sa.literal(due_at), sa.literal(reason))
    statement = insert(calendar_due).from_select(
        ["account_id", "listing_id", "first_day", "last_day", "due_at", "reason"],
        sa.select(*wanted).where(is_ahead).order_by(rows.c.listing_id),
    )
    new, old = statement.excluded, calendar_due.c
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "listing_id"],
            set_={
                "first_day": sa.func.least(old.first_day, new.first_day),
                "last_day": sa.func.greatest(old.last_day, new.last_day),
                "due_at": sa.func.greatest(null_if_unknown(old.due_at), new.due_at),
                "reason": new.reason,
            },
        )
    )


def clear_mark(
    connection: sa.Connection,
    account_id: int,
    listing_id: int,
    *,
    first: date | None,
    last: date | None,
    asked_at: datetime,
) -> None:
    """Clear the mark of a listing whose days were all read.

    A mark that was set for more days meanwhile stays, even if its request was granted earlier.

    Args:
        connection: its transaction stores what was read.
        account_id: whose listing.
        listing_id: which listing.
        first: the first day that was read; None: all days from the beginning of what is mirrored.
        last: the last one; None: all days up to the end of what is mirrored.
        asked_at: when the first of the requests was granted.
    """
    parameters = {"of_account": account_id, "of_listing": listing_id, "asked_at": asked_at}
    connection.execute(_CLEAR, {**parameters, "first": first or date.min, "last": last or date.max})


def _build_clear() -> sa.Delete:
    """Build the statement once: it takes longer to build than to run."""
    mark = calendar_due.c
    return sa.delete(calendar_due).where(
        mark.account_id == sa.bindparam("of_account", type_=sa.BigInteger),
        mark.listing_id == sa.bindparam("of_listing", type_=sa.BigInteger),
        sa.func.coalesce(null_if_unknown(mark.due_at) < sa.bindparam("asked_at", type_=Timestamp), sa.true()),
        mark.first_day >= sa.bindparam("first", type_=sa.Date),
        mark.last_day <= sa.bindparam("last", type_=sa.Date),
    )


_CLEAR: Final = _build_clear()
