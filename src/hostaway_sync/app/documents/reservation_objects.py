"""The document of `show …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hostaway_sync.model.kinds.requested import RequestedAnswer


def requested_document(answer: RequestedAnswer) -> dict[str, Any]:
    """Return what the source has of a reservation, each object as received."""
    return {
        "account_id": answer.account_id,
        "reservation_id": answer.reservation_id,
        "requested": answer.requested.value,
        "objects": [dict(one.payload) for one in answer.objects],
    }
