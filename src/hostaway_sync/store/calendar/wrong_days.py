"""Which days of an answer differ from their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.records import Change
from hostaway_sync.model.redaction import MARK_BYTES
from hostaway_sync.store.calendar.days import PARSED
from hostaway_sync.store.tables import calendar_days, calendar_due

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from hostaway_sync.model.calendar.days import CalendarDay


@dataclass(frozen=True, slots=True)
class WrongDay:
    """A day that differs from its row.

    Attributes:
        change: what storing it would do: insert a row, or update one.
        is_due: it is marked, so that the next run reads it.
        is_later: its row shows a reading that was asked for after the answer.
    """

    change: Change
    is_due: bool = False
    is_later: bool = False


def find_wrong_days(
    connection: sa.Connection, account_id: int, listing_id: int, days: Sequence[CalendarDay], asked_at: datetime
) -> dict[date, WrongDay]:
    """Return the days without a row, and those whose row has another hash or another value in a typed column."""
    if not days:
        return {}
    row = calendar_days.c
    columns = [row[name] for name in PARSED]
    query = sa.select(row.date, row.payload_hash, row.observed_at, *columns).where(
        row.account_id == account_id,
        row.listing_id == listing_id,
        row.date.between(min(day.date for day in days), max(day.date for day in days)),
    )
    stored = {found["date"]: found for found in connection.execute(query).mappings()}
    mark = calendar_due.c
    marks = sa.select(mark.first_day, mark.last_day).where(mark.account_id == account_id, mark.listing_id == listing_id)
    due = [(first, last) for first, last in connection.execute(marks)]
    wrong: dict[date, WrongDay] = {}
    for day in days:
        found, is_due = stored.get(day.date), any(first <= day.date <= last for first, last in due)
        if found is None:
            wrong[day.date] = WrongDay(Change.INSERTED, is_due)
        elif not _is_equal(found, day):
            wrong[day.date] = WrongDay(Change.UPDATED, is_due, found["observed_at"] > asked_at)
    return wrong


def find_last_days(connection: sa.Connection, account_id: int) -> dict[int, date]:
    """Return the last stored day of each listing of an account."""
    row = calendar_days.c
    query = sa.select(row.listing_id, sa.func.max(row.date)).where(row.account_id == account_id)
    last: dict[int, date] = {listing: day for listing, day in connection.execute(query.group_by(row.listing_id))}  # noqa: C416  (dict() does not know a row's type)
    return last


def _is_equal(found: sa.RowMapping, day: CalendarDay) -> bool:
    stored = bytes(found["payload_hash"])
    # Of a day that was rewritten by a rule of redaction, the hash is unknown until the next reading.
    if stored != day.payload_hash and not (len(stored) == MARK_BYTES and day.payload_hash.startswith(stored)):
        return False
    columns = day.read().columns
    return all(found[name] == columns.get(name) for name in PARSED)
