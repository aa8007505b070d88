"""Calendar days of a listing, derived from the seed alone: they do not follow its reservations (API notes, 8)."""

from __future__ import annotations

from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import day_text

_STATUS = ("available",) * 9 + ("reserved",) * 5 + ("blocked", "pending")


def calendar_day(seed: int, listing_id: int, day: int) -> str:
    """Return the JSON text of one day, counted from 1970-01-01."""
    bits = mix(seed + listing_id * 100_003 + day)
    status = _STATUS[mix(seed + listing_id * 100_003 + day // 4) & 15]
    price: object = ("null", 0, 225, 180.5)[bits >> 8 & 3] if bits & 15 == 0 else 60 + (bits >> 8 & 255)
    note = '"owner\\u2019s friends \\ud83c\\udf88"' if status == "blocked" and bits >> 16 & 1 else "null"
    return _TEMPLATE % (listing_id * 20_000 + day, day_text(day), int(status == "available"), status, price, note)


_TEMPLATE = (
    '{"id":%s,"date":"%s","isAvailable":%s,"isProcessed":1,"status":"%s","price":%s,"minimumStay":2,"maximumStay":365,'
    '"closedOnArrival":null,"closedOnDeparture":null,"note":%s,"countAvailableUnits":null,"availableUnitsToSell":null,'
    '"countPendingUnits":null,"countBlockingReservations":null,"countBlockedUnits":null,"desiredUnitsToSell":null,'
    '"reservations":[]}'
)
