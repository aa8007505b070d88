"""What is true of one seeded reservation and its threads, as a few integers; all rows about it agree on them."""

# ruff: noqa: PLR2004 - the numbers are odds
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hostaway_sync.sandbox.rows.phrases import CHANNEL_WHEEL, GUESTS, STATUS_WHEEL
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import DAY, HOUR

if TYPE_CHECKING:
    from hostaway_sync.sandbox.seed.layout import Layout

CANCELLED = 3
INQUIRY = 2
DECLINED = 4
_NAMELESS = 17


class Facts(NamedTuple):
    """One seeded reservation. Times are Unix seconds, days count from 1970-01-01, the rest are indices of `phrases`."""

    id: int
    bits: int
    updated: int
    activity: int
    inserted: int
    arrival: int
    nights: int
    status: int
    channel: int
    guest: int
    """-1 where the name is empty, as on 13 % of rows."""
    listing_id: int


def reservation_facts(layout: Layout, position: int, reservation_id: int) -> Facts:
    """Derive what a seeded reservation is about; all but its stamps depends on the id alone."""
    bits = mix(layout.seed * 0x1_0000_0001 + reservation_id)
    updated = layout.updated(position)
    behind = bits & 1023
    if behind < 530:
        activity = updated
    elif behind < 890:
        activity = updated - (bits >> 10 & 0xFFFF)
    else:
        activity = updated - DAY - (bits >> 10 & 0xFFFF)
    status = STATUS_WHEEL[bits >> 26 & 127]
    nights = 1 + (bits >> 33 & 7) * (bits >> 36 & 3) // 2
    arrival = updated // DAY - 12 + (bits >> 40 & 127) * 5 // 8
    if status == INQUIRY and bits >> 47 & 3 == 0:
        nights, arrival = 0, updated // DAY - 1
    inserted = updated - 2 * DAY - (bits >> 47 & 1023) * HOUR
    return Facts(
        reservation_id,
        bits,
        updated,
        activity,
        inserted,
        arrival,
        nights,
        status,
        CHANNEL_WHEEL[bits >> 57 & 63],
        -1 if bits & 127 < _NAMELESS else (bits >> 7) % len(GUESTS),
        layout.listing_id((bits >> 20) % layout.listings) if layout.listings else layout.first.listings,
    )
