"""Statuses of reservations that mean something to others than their reader; the set is an open one (API notes, 9.2)."""

from __future__ import annotations

from typing import Final

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
"""Stays that never come about."""
UNANNOUNCED: Final = ("inquiry",)
"""How statuses begin of which some changes are never announced by webhook."""
