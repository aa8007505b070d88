"""Calendar days of a listing as JSON text: the seed's values, what was written over them, and stays (API notes, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import day_text

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: Final = (
    "id", "date", "isAvailable", "isProcessed", "status", "price", "minimumStay", "maximumStay", "closedOnArrival",
    "closedOnDeparture", "note", "countAvailableUnits", "availableUnitsToSell", "countPendingUnits",
    "countBlockingReservations", "countBlockedUnits", "desiredUnitsToSell", "reservations",
)  # fmt: skip
_FIXED: Final = ("id", "date", "reservations")
_TEMPLATE = "{" + ",".join(f'"{key}":%s' for key in KEYS) + "}"
_STATUS = ('"available"',) * 14 + ('"blocked"', '"pending"')
_NULLS = ("null",) * 6


def calendar_day(
    seed: int, listing_id: int, day: int, edits: Mapping[str, str] | None, stays: str, *, is_reserved: bool
) -> str:
    """Return the JSON text of one day, counted from 1970-01-01.

    `edits` are JSON texts, by key, of what was written over the seed's values; `stays` is that of the embedded
    reservations. A day that `is_reserved` is so whatever the edits say.
    """
    bits = mix(seed + listing_id * 100_003 + day)
    status = _STATUS[mix(seed + listing_id * 100_003 + day // 4) & 15]
    price: object = ("null", 0, 225, 180.5)[bits >> 8 & 3] if bits & 15 == 0 else 60 + (bits >> 8 & 255)
    note = '"owner\\u2019s friends \\ud83c\\udf88"' if status == '"blocked"' and bits >> 16 & 1 else "null"
    free = int(status == '"available"' and not is_reserved)
    if is_reserved:
        status = '"reserved"'
    values: tuple[object, ...] = (
        listing_id * 20_000 + day, f'"{day_text(day)}"', free, 1, status, price, 2, 365, "null", "null", note, *_NULLS,
        stays,
    )  # fmt: skip
    if edits:
        over: dict[str, object] = dict(zip(KEYS, values, strict=True))
        over |= edits
        if is_reserved:
            over |= {"isAvailable": 0, "status": status}
        values = tuple(over.values())
    return _TEMPLATE % values


def day_edits(keys: Mapping[str, Any]) -> dict[str, str]:
    """Return written keys of a day as JSON texts, `isAvailable` and `status` in agreement; ValueError for other keys.

    A status that is not given follows `isAvailable`, and the reverse.
    """
    for key in keys:
        if key in _FIXED or key not in KEYS:
            raise ValueError(f"{key!r} is no key of a calendar day that can be written")
    agreed = dict(keys)
    if "isAvailable" in keys:
        agreed.setdefault("status", "available" if keys["isAvailable"] in (1, "1") else "blocked")
    elif "status" in keys:
        agreed["isAvailable"] = int(keys["status"] == "available")
    return {key: quote(value) for key, value in agreed.items()}
