"""Days of a calendar as CSV (RFC 4180), which a spreadsheet opens without taking a host's text for a formula."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.documents.calendar import day_document
from hostaway_sync.cli.calendar.sentences import clean_text
from hostaway_sync.cli.ui.spreadsheet import defuse_cell

if TYPE_CHECKING:
    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar

_HEADS: Final = (
    "date", "is_available", "status", "price", "minimum_stay", "maximum_stay", "closed_on_arrival",
    "closed_on_departure", "available_units", "note",
)  # fmt: skip


def write_csv(calendar: ListingCalendar) -> str:
    """Return a line of names and one line a day; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADS)
    for day in calendar.days:
        document = day_document(day)
        writer.writerow(_write_cell(document[name]) for name in _HEADS)
    return text.getvalue()


def _write_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return defuse_cell(clean_text(value))
    return str(value)
