"""Days of a listing, an answer with some, and its check against the days that were asked for.

A day belongs to the listing's own time zone, so it is a date and never a moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

_DAY: Final = timedelta(days=1)
# Where an answer lacks days, its halves are asked for, down to this many days in one request.
SMALLEST_REQUEST: Final = 31


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    def __len__(self) -> int:
        return max(0, (self.last - self.first).days + 1)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def list_days(self) -> list[date]:
        """Return each of the days, ascending."""
        return list(map(date.fromordinal, range(self.first.toordinal(), self.last.toordinal() + 1)))

    def intersect(self, other: Days) -> Days | None:
        """Return the days of both; None if there are none."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Days(first, last) if first <= last else None

    def split(self) -> tuple[Days, Days] | None:
        """Return both halves; None if they would be shorter than the smallest request."""
        if len(self) < 2 * SMALLEST_REQUEST:
            return None
        middle = self.first + (len(self) // 2 - 1) * _DAY
        return Days(self.first, middle), Days(middle + _DAY, self.last)


@dataclass(frozen=True, slots=True)
class DayContent:
    """What a row of a day holds.

    Attributes:
        payload: JSON text without null values, and without the stays that the platform embeds: they have rows.
        columns: the value of each typed column; None if the received value does not fit the column's type.
        misfits: how many values did not fit.
    """

    payload: str = "{}"
    columns: Mapping[str, object] = field(default_factory=dict)
    misfits: int = 0


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day of a listing as received.

    Attributes:
        date: the day, by the listing's own clock.
        payload_hash: over the payload without what changes although the day does not.
        read: returns what its row holds; called for days that changed only, which are few.
    """

    date: date
    payload_hash: bytes
    read: Callable[[], DayContent] = DayContent


@dataclass(frozen=True, slots=True)
class UnusableEntry:
    """An entry of an answer that is no day, or has no usable date.

    Attributes:
        payload_hash: over the bytes received.
        exact: the bytes received.
        reason: why it is no day, as a short phrase.
    """

    payload_hash: bytes
    exact: bytes
    reason: str

    @property
    def id(self) -> None:
        """Return None, as of a record that gets no row."""
        return


@dataclass(frozen=True, slots=True)
class CalendarAnswer:
    """The answer to one request for the days of a listing.

    Attributes:
        asked: the days that were asked for.
        days: those received with a usable date, in their order; there may be too few, others, and one more than once.
        observed_at: when the budget granted the request, by the database's clock.
        unusable: entries that are no day, or have no usable date.
    """

    asked: Days
    days: Sequence[CalendarDay]
    observed_at: datetime
    unusable: Sequence[UnusableEntry] = ()


@dataclass(frozen=True, slots=True)
class CheckedDays:
    """What of an answer may be stored.

    Attributes:
        days: the days that were asked for, ascending; of a day that came twice, the last one.
        missing: the stretches of days that did not come.
    """

    days: tuple[CalendarDay, ...]
    missing: tuple[Days, ...]


def check_answer(answer: CalendarAnswer) -> CheckedDays:
    """Return the days of an answer that were asked for, each once, and the stretches that are missing."""
    if [day.date for day in answer.days] == answer.asked.list_days():
        return CheckedDays(tuple(answer.days), ())
    received = {day.date: day for day in answer.days if day.date in answer.asked}
    return CheckedDays(tuple(received[one] for one in sorted(received)), find_gaps(answer.asked, received))


def find_gaps(asked: Days, received: Collection[date]) -> tuple[Days, ...]:
    """Return the stretches of `asked` days that were not received, ascending."""
    gaps: list[Days] = []
    expected = asked.first
    for day in (*sorted(received), asked.last + _DAY):
        if day > expected:
            gaps.append(Days(expected, day - _DAY))
        expected = day + _DAY
    return tuple(gaps)


@dataclass(frozen=True, slots=True)
class ListingReading:
    """How the calendar of a listing was read last.

    Attributes:
        listing_id: the platform's id.
        is_archived: its days are read once a week only.
        read_at: when the last reading of all its days was asked for; None: there was none.
        rota_at: when all its days are to be read again; None: at once.
        known_until: the last day that the source had in that reading.
        short_count: how many whole readings in a row ended equally early.
        missing_days: how many days did not come in that reading that the source should have.
        refused_at: when the source refused its calendar; None: it did not.
        due: days that stays have changed since they were read; None if there are none.
        linked: listings that its payload names: a stay on one takes days of the other.
    """

    listing_id: int
    is_archived: bool = False
    read_at: datetime | None = None
    rota_at: datetime | None = None
    known_until: date | None = None
    short_count: int = 0
    missing_days: int = 0
    refused_at: datetime | None = None
    due: Days | None = None
    linked: frozenset[int] = frozenset()
