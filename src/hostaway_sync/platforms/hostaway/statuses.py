"""Statuses of reservations and days that the program acts on; Hostaway may add others at any time (API notes, 9.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OFF: Final = frozenset(
    {
        "cancelled",
        "declined",
        "expired",
        "inquiryDenied",
        "inquiryTimedout",
        "inquiryTimeout",
        "inquiryNotPossible",
    }
)
"""Of reservations whose guest will not stay."""
VACANT: Final = (OFF - {"expired"}) | {"inquiry"}
"""Of reservations that take no days of the calendar; an expired one does, by design (API notes, 8)."""
UNANNOUNCED: Final = ("inquiry",)
"""Prefixes of statuses for which some changes are never announced by webhook."""
TAKEN_DAYS: Final = frozenset({"reserved", "mreserved", "conflicted"})
"""Of days of a calendar that a stay takes (API notes, 8)."""
EVENT_STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "reservations": {"cancelled": "cancelled"},
    "messages": {"sent": "sent", "failed": "failed"},
}
"""Of reservations and messages (API notes, 7.3 and 9.2), in the words that events have for them."""
CORE_STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "inquiry": frozenset({"inquiry", "inquiryPreapproved"}),
    "pending": frozenset({"pending", "awaitingPayment", "unconfirmed", "awaitingGuestVerification"}),
    "confirmed": frozenset({"new", "modified", "confirmed", "ownerStay"}),
    "cancelled": frozenset({"cancelled"}),
    "declined": frozenset({"declined", "inquiryDenied", "inquiryNotPossible"}),
    "expired": frozenset({"expired", "inquiryTimedout", "inquiryTimeout"}),
}
"""Of reservations, by the word of `core.reservations` for them, as its SQL has them; all others are unknown there."""
