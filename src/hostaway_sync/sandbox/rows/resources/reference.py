"""Reference data, which no account owns (resource notes, 1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hostaway_sync.sandbox.rows.listing_template import AMENITIES as QUOTED
from hostaway_sync.sandbox.rows.resources.reference_names import COUNTRIES, CURRENCIES, LANGUAGES

if TYPE_CHECKING:
    from hostaway_sync.sandbox.rows.resources.kind import Payload, Source

_AMENITIES = [json.loads(text) for text in QUOTED]
_AMENITY_COUNT = 120
_BEDS = ("King", "Queen", "Double", "Single", "Sofa bed", "Bunk bed", "Futon", "Crib", "Hammock", "Water bed", "Tatami")
_HOMES = (
    "Apartment", "House", "Villa", "Cabin", "Loft", "Houseboat", "Castle", "Tipi", "Yurt", "Treehouse", "Hôtel",
    "Gîte", "Riad", "Ryokan", "Cave", "Barn", "Chalet", "Farm stay", "Lighthouse", "Other",
)  # fmt: skip
_ZONES = {
    "Europe/Oslo": 1, "Europe/Madrid": 1, "Europe/Warsaw": 1, "Europe/Zurich": 1, "Europe/Athens": 2, "UTC": 0,
    "America/Los_Angeles": -8, "America/New_York": -5, "America/St_Johns": -3.5, "Asia/Tokyo": 9, "Asia/Kolkata": 5.5,
    "Asia/Kathmandu": 5.75, "Australia/Lord_Howe": 11, "Pacific/Apia": 13, "Pacific/Kiritimati": 14,
    "Pacific/Pago_Pago": -11, "Europe/Dublin": 0, "Africa/Casablanca": 1, "America/Argentina/Buenos_Aires": -3,
}  # fmt: skip
_PAYMENTS = {
    "cash": "Cash", "bank_transfer": "Bank transfer", "credit_card": "Credit card", "paypal": "PayPal",
    "check": "Check", "venmo": "Venmo", "stripe": "Stripe", "other": "Other / autre", "ota": "Paid through the channel",
}  # fmt: skip
_MAPS = {"countries": COUNTRIES, "languages": LANGUAGES, "currencies": CURRENCIES, "payment_methods": _PAYMENTS}
_NAMES = {
    "amenities": [
        _AMENITIES[number % len(_AMENITIES)]
        + (f" ({number // len(_AMENITIES) + 1})" if number >= len(_AMENITIES) else "")
        for number in range(_AMENITY_COUNT)
    ],
    "bed_types": list(_BEDS),
    "property_types": list(_HOMES),
}


def named_ids(name: str, _source: Source) -> range:
    """Return the ids of a list of names: 1 and following."""
    return range(1, len(_NAMES[name]) + 1)


def named(name: str, _source: Source, object_id: int) -> Payload:
    """Return one object of a list of names."""
    return {"id": object_id, "name": _NAMES[name][object_id - 1]}


def codes(name: str, _source: Source) -> list[str]:
    """Return the codes of a map of names."""
    return list(_MAPS[name])


def name_of(name: str, _source: Source, code: str) -> str:
    """Return the name of a code."""
    return _MAPS[name][code]


def zones(_source: Source) -> list[str]:
    """Return the names of time zones."""
    return list(_ZONES)


def zone(_source: Source, name: str) -> Payload:
    """Return a time zone; `diff` moves with summer time, so that nothing may be computed with it."""
    hours = _ZONES[name]
    sign = "-" if hours < 0 else "+"
    minutes = int(abs(hours) * 60)
    return {"value": f"(GMT{sign}{minutes // 60:02d}:{minutes % 60:02d}) {name}", "diff": hours}
