"""What a consumer is told: the event, the changed keys old and new, and the row as it is now. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.history.feed import RecordChange

_PREFIX: Final = "evt_"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Amounts and prices are numbers with all their digits.
_JSON: Final = msgspec.json.Encoder(decimal_format="number")
EXAMPLE_ID: Final = f"{_PREFIX}example"


def event_id(change: RecordChange) -> str:
    """Return the id of an event: the same at each try, for each consumer, and after a move of the database."""
    # A database restored from a backup gives the numbers of lost changes again: by the number alone, consumers would
    # take new events for those that they know.
    return f"{_PREFIX}{change.change_id}_{(change.changed_at - _EPOCH) // _MICROSECOND}"


def build_payload(event: str, change: RecordChange, row: Mapping[str, Any] | None) -> bytes:
    """Return what a consumer is told of a change, as JSON; ids are text.

    Args:
        event: its name.
        change: the change.
        row: the record's row of `core` as it is now; None: it has none, or has none any more.
    """
    before, after = change.before or {}, change.after or {}
    # Of a new record every key is new: the row says it all.
    keys = () if change.change == "inserted" else change.keys or ()
    document = {
        "id": event_id(change),
        "type": event,
        "timestamp": change.changed_at.isoformat(),
        "data": {
            "account_id": str(change.account_id),
            "resource": change.resource,
            "record_id": change.record_id,
            "change": change.change,
            "cause": change.cause,
            "changed": {key: {"old": before.get(key), "new": after.get(key)} for key in keys},
            "row": row,
        },
    }
    return _JSON.encode(document)


def build_example(event: str, resource: str, change: str, *, now: datetime) -> bytes:
    """Return what `automation test` sends: the form of an event of this name, about no real record."""
    document = {
        "id": EXAMPLE_ID,
        "type": event,
        "timestamp": now.isoformat(),
        "data": {
            "account_id": "0",
            "resource": resource,
            "record_id": "0",
            "change": change,
            "cause": None,
            "changed": {},
            "row": None,
            "is_example": True,
        },
    }
    return _JSON.encode(document)
