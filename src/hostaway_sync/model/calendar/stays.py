"""What of a reservation decides which days of which listing it takes, and which days change with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.calendar.days import Days

if TYPE_CHECKING:
    from collections.abc import Iterable

# Days before arrival and after departure may be kept free for cleaning; they change with the stay.
PREPARATION_DAYS: Final = 2


@dataclass(frozen=True, slots=True)
class Stay:
    """What of a reservation decides which days of which listing it takes.

    Attributes:
        listing_id: None if it has none.
        arrival: the first night.
        departure: the morning after the last night.
        is_taking: whether its status blocks these days.
    """

    listing_id: int | None
    arrival: date | None
    departure: date | None
    is_taking: bool

    @property
    def days(self) -> tuple[int, Days] | None:
        """The listing and its days that the stay takes, with those around it; None if it takes none."""
        if not self.is_taking or self.listing_id is None or self.arrival is None or self.departure is None:
            return None
        first, last = min(self.arrival, self.departure), max(self.arrival, self.departure)
        return self.listing_id, Days(_shift(first, -PREPARATION_DAYS), _shift(last, PREPARATION_DAYS))


def _shift(day: date, days: int) -> date:
    """Return a day so many days later, or the last or first day there is."""
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal()))


def find_touched_days(before: Stay | None, after: Stay | None) -> list[tuple[int, Days]]:
    """Return the listings and days whose calendar changes when a reservation becomes another.

    Args:
        before: the reservation as it was stored; None if it was not, or was gone.
        after: as it is stored now; None if it is gone.
    """
    stays = {stay.days for stay in (before, after) if stay is not None}
    if before is not None and after is not None and before.days == after.days:
        return []
    return sorted(days for days in stays if days is not None)


def merge_days(touched: Iterable[tuple[int, Days]]) -> dict[int, Days]:
    """Return one stretch of days for each listing, which holds all that were touched."""
    merged: dict[int, Days] = {}
    for listing_id, days in touched:
        known = merged.get(listing_id, days)
        merged[listing_id] = Days(min(known.first, days.first), max(known.last, days.last))
    return merged
