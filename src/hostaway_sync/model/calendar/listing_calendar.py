"""The mirrored days of one listing as a reader sees them, and what each day means to a guest."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.calendar.days import Days

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from decimal import Decimal

    from hostaway_sync.model.calendar.days import ListingReading

_DAY: Final = timedelta(days=1)
_MONTHS_IN_YEAR: Final = 12
SHOWN_MONTHS: Final = 3
"""How many months are shown where no days were named."""


class DayState(StrEnum):
    """What a day means to a guest who wants to book it."""

    FREE = "free"
    TAKEN = "taken"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StoredDay:
    """One day of a listing as it is mirrored; a value that is not known is None, all of them for a day without a row.

    Attributes:
        date: the day, by the listing's own clock.
        is_available: whether it may be booked.
        status: an open set of the source's words.
        price: in the listing's currency.
        minimum_stay: nights.
        maximum_stay: nights.
        closed_on_arrival: whether no stay may begin on it.
        closed_on_departure: whether no stay may end on it.
        available_units: of a listing with several units.
        note: what the host wrote to the day; it may hold anything.
    """

    date: date
    is_available: bool | None = None
    status: str | None = None
    price: Decimal | None = None
    minimum_stay: int | None = None
    maximum_stay: int | None = None
    closed_on_arrival: bool | None = None
    closed_on_departure: bool | None = None
    available_units: int | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ListingFacts:
    """What the head of a calendar says of its listing; a value that is not known is None.

    Attributes:
        account_id: whose listing.
        listing_id: the platform's id.
        name: for hosts and guests.
        currency: of its prices.
        time_zone: as the source writes it.
        missing_since: since when the source no longer lists it.
    """

    account_id: int
    listing_id: int
    name: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    missing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListingCalendar:
    """The days of a listing within a range, each once, and how they were read.

    Attributes:
        listing: whose days.
        range: the first and the last day.
        reading: how the calendar was read last, and what is due.
        days: every day of the range, ascending.
        taken_statuses: statuses of days that a stay takes.
    """

    listing: ListingFacts
    range: Days
    reading: ListingReading
    days: tuple[StoredDay, ...]
    taken_statuses: Collection[str]

    def state(self, day: StoredDay) -> DayState:
        """Return what a day means to a guest."""
        if day.is_available:
            return DayState.FREE
        if day.status in self.taken_statuses:
            return DayState.TAKEN
        return DayState.UNKNOWN if day.is_available is None else DayState.BLOCKED


def fill_days(days: Days, stored: Mapping[date, StoredDay]) -> tuple[StoredDay, ...]:
    """Return every day of a range: as it is stored, else without any value."""
    return tuple(stored.get(day) or StoredDay(day) for day in days.list_days())


def choose_days(today: date) -> Days:
    """Return the days that are shown where none were named: from today, three months."""
    months = today.month - 1 + SHOWN_MONTHS
    year, month = today.year + months // _MONTHS_IN_YEAR, months % _MONTHS_IN_YEAR + 1
    # Where that month has no such day, the range ends a day before its last one.
    same_day = min(today.day, monthrange(year, month)[1])
    return Days(today, date(year, month, same_day) - _DAY)
