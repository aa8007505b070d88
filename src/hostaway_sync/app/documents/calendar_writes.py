"""The documents of `calendar block`, `open` and `set`, and of `calendar writes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.app.documents.calendar import as_number, day_document
from hostaway_sync.app.documents.times import iso
from hostaway_sync.model.calendar.writes import pick_values

if TYPE_CHECKING:
    from hostaway_sync.app.calendar_writes import PreparedWrite
    from hostaway_sync.model.calendar.writes import CalendarWrite, Values
    from hostaway_sync.sync.calendar.writes.writer import WriteOutcome


def write_document(write: CalendarWrite) -> dict[str, Any]:
    """Return one row of the ledger."""
    return {
        "write_id": write.write_id,
        "account_id": write.account_id,
        "listing_id": write.listing_id,
        "first": write.days.first.isoformat(),
        "last": write.days.last.isoformat(),
        "values": values_document(write.new),
        "state": write.state.value,
        "error": write.error,
        "os_user": write.os_user,
        "host": write.host,
        "created_at": iso(write.created_at),
        "sending_at": iso(write.sending_at),
        "settled_at": iso(write.settled_at),
    }


def outcome_document(prepared: PreparedWrite, outcome: WriteOutcome) -> dict[str, Any]:
    """Return what became of a write: its row or, where days had changed, none; and the days as they are now."""
    return {
        **_head(prepared),
        "write": None if outcome.write is None else write_document(outcome.write),
        "changed": [
            {
                "date": day.live.date.isoformat(),
                "mirrored": None if day.mirrored is None else day_document(day.mirrored),
                "live": day_document(day.live),
            }
            for day in outcome.changed
        ],
        "days": [day_document(day) for day in outcome.shown],
    }


def preview_document(prepared: PreparedWrite) -> dict[str, Any]:
    """Return what a write would change, by the mirror."""
    new = values_document(prepared.request.values)
    columns = tuple(prepared.request.values)
    return {
        **_head(prepared),
        "concerns": list(prepared.concerns),
        "days": [
            {"date": day.date.isoformat(), "old": values_document(pick_values(day, columns)), "new": new}
            for day in prepared.calendar.days
        ],
    }


def values_document(values: Values) -> dict[str, Any]:
    """Return values by column; a value that is not known is null."""
    return {name: as_number(value) for name, value in values.items()}


def _head(prepared: PreparedWrite) -> dict[str, Any]:
    return {
        "account_id": prepared.account_id,
        "listing_id": prepared.request.listing_id,
        "first": prepared.request.days.first.isoformat(),
        "last": prepared.request.days.last.isoformat(),
        "values": values_document(prepared.request.values),
    }
