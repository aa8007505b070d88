"""Checks a write before any request: its days, its values, its listing; and what a person should confirm. Pure."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import UsageError, WriteRefused
from hostaway_sync.model.calendar.listing_calendar import DayState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from hostaway_sync.model.calendar.days import Days
    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar
    from hostaway_sync.model.calendar.writes import Values

# The source's own dashboard reaches two years ahead.
FURTHEST_DAYS: Final = 730
# More days in one write are confirmed by a person.
MOST_UNASKED: Final = 31
LONGEST_NOTE: Final = 1_000
LONGEST_STAY: Final = 3_650
_DECIMALS: Final = 3
_HIGHEST_PRICE: Final = 1_000_000_000


def require_order(days: Days) -> None:
    """Refuse days of which the last is before the first.

    Raises:
        UsageError: it is.
    """
    if days.last < days.first:
        raise UsageError(f"the last day, {days.last}, is before the first, {days.first}: give the earlier day first")


def require_days(days: Days, today: date) -> None:
    """Refuse days that cannot be written.

    Args:
        days: which days.
        today: by the listing's own clock.

    Raises:
        UsageError: they are over, or too far ahead.
    """
    if days.first < today:
        raise UsageError(f"{days.first} is over where the listing is (today is {today}): give {today} or a later day")
    if (days.last - today).days > FURTHEST_DAYS:
        raise UsageError(f"{days.last} is more than {FURTHEST_DAYS} days ahead: nothing so far ahead is written")


def require_values(values: Values) -> None:
    """Refuse values that no day can have.

    Raises:
        UsageError: there is none, or one cannot be right.
    """
    if not values:
        raise UsageError("nothing is to be set: give --price, --minimum-stay or another option")
    _require_price(values.get("price"))
    shortest, longest = _require_nights(values, "minimum_stay"), _require_nights(values, "maximum_stay")
    if shortest and longest and shortest > longest:
        raise UsageError(f"the minimum stay, {shortest} nights, is longer than the maximum, {longest}")
    note = values.get("note")
    if isinstance(note, str):
        if len(note) > LONGEST_NOTE:
            raise UsageError(f"the note has {len(note):,} characters: {LONGEST_NOTE:,} at most are written")
        if any(letter not in "\n\t" and unicodedata.category(letter) in {"Cc", "Cs"} for letter in note):
            raise UsageError("the note is not plain UTF-8 text: it holds control characters or broken letters")


def _require_price(price: object) -> None:
    if not isinstance(price, Decimal):
        return
    if not price.is_finite() or price <= 0:
        raise UsageError(f"the price {price} is not above 0: `calendar block` closes days, a price does not")
    exponent = price.normalize().as_tuple().exponent
    if price >= _HIGHEST_PRICE or (isinstance(exponent, int) and -exponent > _DECIMALS):
        raise UsageError(f"the price {price} is no amount: give at most {_DECIMALS} decimals, below {_HIGHEST_PRICE:,}")


def _require_nights(values: Values, column: str) -> int | None:
    nights = values.get(column)
    if not isinstance(nights, int):
        return None
    if not 1 <= nights <= LONGEST_STAY:
        raise UsageError(f"the {column.replace('_', ' ')}, {nights}, is not 1 to {LONGEST_STAY:,} nights")
    return nights


def require_writable(calendar: ListingCalendar) -> None:
    """Refuse a listing whose calendar the source would not take.

    Raises:
        WriteRefused: it is archived, or the source does not list it any more.
    """
    listing_id = calendar.listing.listing_id
    if calendar.listing.missing_since is not None:
        raise WriteRefused(f"listing {listing_id} is gone at the source: nothing was written")
    if calendar.reading.is_archived:
        raise WriteRefused(
            f"listing {listing_id} is archived: its calendar cannot be written; take it out of the archive first, "
            "and sync"
        )


def list_concerns(calendar: ListingCalendar) -> tuple[str, ...]:
    """Return what a person should know before these days are written, a sentence each; empty when nothing is odd."""
    return tuple(_list_concerns(calendar))


def _list_concerns(calendar: ListingCalendar) -> Iterator[str]:
    if len(calendar.days) > MOST_UNASKED:
        yield f"{len(calendar.days):,} days are written at once"
    taken = [day.date for day in calendar.days if calendar.state(day) is DayState.TAKEN]
    if taken:
        yield f"a stay takes {len(taken):,} of these days, the first of them {taken[0]}"
