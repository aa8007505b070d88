"""The documents of `changes` and `history`; ids are text, because another system's are no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.app.documents.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.model.history.events import LifeEvent
    from hostaway_sync.model.history.feed import FeedCursor, RecordChange


def change_document(cursor: FeedCursor, change: RecordChange) -> dict[str, Any]:
    """Return one change with the cursor after it; values may be `Decimal`."""
    return {
        "cursor": str(cursor),
        "change_id": str(change.change_id),
        "account_id": str(change.account_id),
        "customer_id": None if change.customer_id is None else str(change.customer_id),
        "resource": change.resource,
        "record_id": change.record_id,
        "change": change.change,
        "changed_at": iso(change.changed_at),
        "source_updated_at": iso(change.source_updated_at),
        "keys": None if change.keys is None else list(change.keys),
        "before": None if change.before is None else dict(change.before),
        "after": None if change.after is None else dict(change.after),
        "cause": change.cause,
        "cause_id": change.cause_id,
    }


def life_document(account_id: int, reservation_id: int, events: Iterable[LifeEvent]) -> dict[str, Any]:
    """Return the life of a reservation; values may be `Decimal`."""
    return {
        "account_id": str(account_id),
        "reservation_id": str(reservation_id),
        "events": [event_document(event) for event in events],
    }


def event_document(event: LifeEvent) -> dict[str, Any]:
    """Return one event of the life of a reservation; values may be `Decimal`."""
    return {
        "at": iso(event.at),
        "kind": event.kind.value,
        "says": event.says,
        "resource": event.resource,
        "record_id": event.record_id,
        "change_id": None if event.change_id is None else str(event.change_id),
        "before": None if event.before is None else dict(event.before),
        "after": None if event.after is None else dict(event.after),
        "cause": event.cause,
        "cause_id": event.cause_id,
    }
