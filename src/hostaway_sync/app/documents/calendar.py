"""The document of `calendar show`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hostaway_sync.app.documents.times import iso

if TYPE_CHECKING:
    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar, StoredDay
    from hostaway_sync.model.calendar.writes import Value


def calendar_document(calendar: ListingCalendar) -> dict[str, Any]:
    """Return every day of a range, and how the listing's calendar was read; a day without a row has only its date."""
    due = calendar.reading.due
    return {
        "account_id": calendar.listing.account_id,
        "listing_id": calendar.listing.listing_id,
        "first": calendar.range.first.isoformat(),
        "last": calendar.range.last.isoformat(),
        "read_at": iso(calendar.reading.read_at),
        "due": {"first": due.first.isoformat(), "last": due.last.isoformat()} if due else None,
        "days": [day_document(day) for day in calendar.days],
    }


def day_document(day: StoredDay) -> dict[str, Any]:
    """Return one day; a value that is not known is null."""
    return {
        "date": day.date.isoformat(),
        "is_available": day.is_available,
        "status": day.status,
        "price": as_number(day.price),
        "minimum_stay": day.minimum_stay,
        "maximum_stay": day.maximum_stay,
        "closed_on_arrival": day.closed_on_arrival,
        "closed_on_departure": day.closed_on_departure,
        "available_units": day.available_units,
        "note": day.note,
    }


def as_number(value: Value) -> bool | int | float | str | None:
    """Return an amount as a number of JSON, and any other value as it is."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)
