"""Listing rows: 31 to 48 kB each, with images, amenities and the description four times (API notes, 9.1 and 9.3)."""

# ruff: noqa: PLR2004, RUF001 - the numbers are odds, and hosts write in many languages
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.rows.listing_template import (
    AMENITIES,
    PARAGRAPHS,
    ROOMS,
    TEMPLATE,
    TOWNS,
)
from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import DAY, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.seed.layout import Layout

RESOURCE_KEYS: Final = ("customFieldValues", "listingUnits", "listingTags")
_SHIPS = ("Harbour", "Garden", "Sky", "Forest", "Old Town", "Beach", "Mill", "Lighthouse")
_KINDS = ("Loft", "Cottage", "Studio", "Villa 🌴", "Apartment", "Cabin", "Penthouse", "Houseboat ⛵")
_SIGHTS = (
    "by the pier",
    "with sauna",
    "– quiet & central",
    "near the station",
    "with sea view",
    "“Casa Añil”",
    "under the eaves",
    "",
)


def listing_name(seed: int, listing_id: int) -> str:
    """Name a seeded listing."""
    bits = mix(seed + listing_id)
    return f"{_SHIPS[bits & 7]} {_KINDS[bits >> 3 & 7]} {_SIGHTS[bits >> 6 & 7]}".strip()


class ListingRows:
    """Writes the seeded listings of one account."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def edited(self, number: int) -> int:
        """Return the seeded `latestActivityOn`: when someone edited the listing last, one to four months ago."""
        return self._layout.start - 30 * DAY - mix(self._layout.seed * 31 + number) % (90 * DAY)

    def row(self, number: int) -> str:
        """Return the JSON text of a seeded listing by its number in the list."""
        listing_id = self._layout.listing_id(number)
        bits = mix(self._layout.seed * 17 + listing_id)
        town, country, code, zone, currency = TOWNS[bits & 7]
        text = self._description(bits)
        name = quote(listing_name(self._layout.seed, listing_id))
        return TEMPLATE % {
            "id": listing_id,
            "name": name,
            "short": f"{number + 1:03d}",
            "description": _or_none(text, bits >> 3),
            "airbnb": _or_none(text, bits >> 8),
            "homeaway": f'"{text}"',
            "bookingcom": f'"{text}"',
            "rules": '"No smoking.\\nNo parties. \\ud83d\\ude4f"' if bits >> 9 & 3 else '""',
            "country": country,
            "code": code,
            "town": town,
            "zone": zone,
            "currency": currency,
            "street": f"Havnegata {1 + (bits >> 11 & 63)}",
            "zip": f"{bits >> 17 & 8191:04d}",
            "price": 60 + (bits >> 20 & 255),
            "rating": ("null", "9.4", "10", "8.75")[bits >> 28 & 3],
            "metres": ("54.5", "80", "null", "32")[bits >> 30 & 3],
            "weekly": ("0.9", "1", "null", "0.85")[bits >> 32 & 3],
            "capacity": 2 + (bits >> 34 & 7),
            "lat": 35 + (bits >> 37 & 0xFFFF) / 3000,
            "lng": (bits >> 41 & 0xFFFF) / 2500,
            "wifi": f"{bits & 0xFFFFFF:x}",
            "amenities": ",".join(_amenities(bits, listing_id)),
            "images": ",".join(_images(bits, listing_id)),
            "inserted": stamp_text(self._layout.start - 200 * DAY - bits % (900 * DAY)),
            "edited": stamp_text(self.edited(number)),
            "special": '"archived"' if number % 11 == 10 else "null",
        }

    @staticmethod
    def _description(bits: int) -> str:
        """Return 6 to 8 kB of praise, escaped, without its quotes."""
        parts: list[str] = []
        size = 0
        wanted = 5_600 + bits % 1_400
        while size < wanted:
            bits = mix(bits)
            parts.append(PARAGRAPHS[bits % len(PARAGRAPHS)])
            size += len(parts[-1])
        return "\\n\\n".join(parts)


def _or_none(text: str, bits: int) -> str:
    return f'"{text}"' if bits & 15 else ("null", '""')[bits >> 4 & 1]


def _amenities(bits: int, listing_id: int) -> list[str]:
    count = 69 + bits % 29
    return [
        f'{{"id":{listing_id}{number:03d},"amenityId":{number + 2},'
        f'"amenityName":{AMENITIES[(number * 7 + bits) % len(AMENITIES)]}}}'
        for number in range(count)
    ]


def _images(bits: int, listing_id: int) -> list[str]:
    images = []
    for number in range(15 + bits % 29):
        room = ROOMS[(number + bits) % len(ROOMS)]
        images.append(
            f'{{"id":{listing_id}{number:02d},"caption":{room if number % 3 else "null"},"bookingEngineCaption":null,'
            f'"airbnbCaption":{room},"vrboCaption":{room if number & 1 else chr(34) * 2},'
            f'"url":"https:\\/\\/img.example\\/listing\\/{listing_id}\\/{mix(bits + number):016x}-{number:02d}.jpeg'
            f'?size=2048x1365&signature={mix(bits - number):016x}","sortOrder":{number + 1}}}'
        )
    return images
