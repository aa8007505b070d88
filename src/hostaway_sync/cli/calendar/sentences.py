"""What is said of a calendar around its days: how many are free, how old they are, what is due, what hosts wrote."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.calendar.listing_calendar import DayState
from hostaway_sync.safe_text import join_lines, strip_invisible
from hostaway_sync.sync.calendar.plan import SHORT_READINGS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from hostaway_sync.model.calendar.days import Days, ListingReading
    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar, StoredDay

_DAY: Final = timedelta(days=1)
_COUNTED: Final = {
    DayState.FREE: "free",
    DayState.TAKEN: "taken",
    DayState.BLOCKED: "blocked",
    DayState.UNKNOWN: "not known",
}


def write_title(calendar: ListingCalendar) -> str:
    """Return which listing is shown."""
    listing, reading = calendar.listing, calendar.reading
    name = f" {clean_text(listing.name)}" if listing.name else ""
    archived = " (archived)" if reading.is_archived else ""
    return f"listing {listing.listing_id}{name}{archived}, account {listing.account_id}"


def write_facts(calendar: ListingCalendar) -> Iterator[str]:
    """Yield sentences: counts of days, how the calendar was read, what is due, how far the source goes."""
    counts = Counter(calendar.state(day) for day in calendar.days)
    told = ", ".join(f"{counts[state]:,} {words}" for state, words in _COUNTED.items() if counts[state])
    yield f"{len(calendar.days):,} days, {_write_range(calendar.range)}: {told}"
    yield from _write_reading(calendar.reading, calendar.listing.account_id)
    if calendar.reading.due is not None:
        why = "because a stay changed or they were written"
        yield f"due: {_write_range(calendar.reading.due)}, {why}; the next sync reads these days"
    if calendar.listing.missing_since is not None:
        yield f"the listing is gone at Hostaway since {_write_moment(calendar.listing.missing_since)}"


def _write_reading(reading: ListingReading, account_id: int) -> Iterator[str]:
    if reading.refused_at is not None:
        yield f"Hostaway refused this calendar on {_write_moment(reading.refused_at)}; a sync asks again a week later"
    if reading.read_at is None:
        if reading.refused_at is None:
            yield f"never read whole: `hostaway-sync sync {account_id} --resource calendar` reads it"
        return
    yield f"last read whole on {_write_moment(reading.read_at)}"
    if reading.missing_days:
        yield f"{reading.missing_days:,} days did not come in that reading"
    if reading.known_until is not None:
        ends = "Hostaway's calendar ends" if reading.short_count >= SHORT_READINGS else "read as far as"
        yield f"{ends} {reading.known_until}"


def list_notes(calendar: ListingCalendar) -> list[tuple[str, str]]:
    """Return the days and the text of each note, one for neighbours that have the same."""
    found: list[tuple[date, date, str]] = []
    for day in calendar.days:
        note = clean_text(day.note or "")
        if found and note and found[-1][2] == note and found[-1][1] + _DAY == day.date:
            found[-1] = (found[-1][0], day.date, note)
        elif note:
            found.append((day.date, day.date, note))
    return [(f"{first}" if first == last else f"{first} to {last}", note) for first, last, note in found]


def write_line(calendar: ListingCalendar, day: StoredDay) -> str:
    """Return one day as one line, each value in a column of its own place, the note last."""
    closed = [word for word, is_closed in _list_closed(day) if is_closed]
    cells = (
        f"{day.date:%a}",
        f"{calendar.state(day).value:7}",
        f"{'-' if day.price is None else f'{day.price:f}':>12}",
        f"{_write_number(day.minimum_stay):>4}",
        f"{_write_number(day.maximum_stay):>4}",
        f"{','.join(closed) or '-':22}",
        f"{_write_number(day.available_units):>4}",
        clean_text(day.note or ""),
    )
    return "  ".join((day.date.isoformat(), *cells)).rstrip()


def write_heads() -> str:
    """Return the heads of the columns of `write_line`."""
    heads = f"{'state':7}  {'price':>12}  {'min':>4}  {'max':>4}  {'closed':22}  {'free':>4}  note"
    return f"{'date':10}  day  {heads}"


def clean_text(text: str) -> str:
    """Return a host's text in one line, without what steers a terminal."""
    return " ".join(strip_invisible(join_lines(text)).split())


def _list_closed(day: StoredDay) -> list[tuple[str, bool | None]]:
    return [("no-arrival", day.closed_on_arrival), ("no-departure", day.closed_on_departure)]


def _write_number(number: int | None) -> str:
    return "-" if number is None else str(number)


def _write_range(days: Days) -> str:
    return f"{days.first} to {days.last}"


def _write_moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
