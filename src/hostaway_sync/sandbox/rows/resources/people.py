"""Users and their groups; two keys of a user open something (resource notes, 2)."""

# ruff: noqa: RUF001 - people have names of many languages
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.seed.timestamps import DAY, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.rows.resources.kind import Payload, Source

USERS: Final = 9
_LEFT: Final = 5
"""The number of the user who left."""
_NAMES = (
    ("Ops", "Team"), ("Marta", "Lis"), ("Jürgen", "Groß"), ("さくら", "田中"), ("Siobhán", "O'Brien"), ("", ""),
    ("Ayşe", "Yılmaz"), ("Bob\u0007", 'Null "Bobby"'), ("<b>Eve</b>", "-- "),
)  # fmt: skip
_FLAGS = ("canReadReservations", "canEditReservations", "canReadFinance", "canEditCalendar", "canSeeGuestContacts")
_GROUPS = ("Owners", "Cleaners 🧽", "Gäste-Service", "")


def user(source: Source, object_id: int) -> Payload:
    """Return one user; `listingMapIds` comes on request."""
    bits = source.bits(object_id, 8)
    number = object_id - source.first
    first, last = _NAMES[number]
    return {
        "id": object_id,
        "accountId": source.account_id,
        "userGroupId": source.first + number % len(_GROUPS) if number else None,
        "firstName": first,
        "lastName": last,
        "email": f"user{number}@host.example",
        "phone": f"+47{bits % 10**9:09d}" if bits & 1 else None,
        "address": f"Havnegata {1 + number}" if bits & 2 else "",
        "city": "Tromsø",
        "isActive": int(number != _LEFT),
        "isAdmin": int(number == 0),
        "lastLogin": stamp_text(source.layout.start - bits % (90 * DAY)) if number != _LEFT else None,
        "verificationCode": f"{bits >> 8 & 0xFFFFFF:06x}",
        "icalKey": f"{bits:016x}{bits ^ 0xFFFF:016x}",
        **{flag: bits >> place & 1 if bits >> place & 14 else None for place, flag in enumerate(_FLAGS, 40)},
        "insertedOn": stamp_text(source.layout.start - 500 * DAY),
        "listingMapIds": [
            source.layout.listing_id(place) for place in range(source.layout.listings) if bits >> place & 1
        ],
    }


def user_group(source: Source, object_id: int) -> Payload:
    """Return one group of users with its permissions."""
    bits = source.bits(object_id, 9)
    name = _GROUPS[object_id - source.first]
    flags = {flag: bits >> place & 1 for place, flag in enumerate(_FLAGS)}
    return {"id": object_id, "accountId": source.account_id, "name": name, **flags}
