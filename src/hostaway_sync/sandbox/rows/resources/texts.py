"""Texts that hosts write: templates of messages, coupons, agreements (resource notes, 2 and 3)."""

# ruff: noqa: RUF001 - hosts write in many languages
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.rows.phrases import GUESTS
from hostaway_sync.sandbox.seed.timestamps import DAY, day_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.rows.resources.kind import Payload, Source

TEMPLATES: Final = 14
COUPONS: Final = 7
_MESSAGES = (
    ("Check-in", "Hello {{guest_first_name}}, the door code is {{door_code}}.\nWi-Fi: {{wifi_password}}"),
    ("Review", "<p>Thank you {{guest_first_name}}!&nbsp;</p><p>⭐⭐⭐⭐⭐?</p>"),
    ("Anreise", "Liebe/r {{guest_first_name}},\r\nder Schlüssel liegt im Kasten 4711."),
    ("Late \u0007checkout", "Late check-out costs 30 € – reply YES."),
    ("", ""),
)


def message_template(source: Source, object_id: int) -> Payload:
    """Return one template; its placeholders are not filled."""
    number = object_id - source.first
    name, text = _MESSAGES[number % len(_MESSAGES)]
    listed = source.layout.listings and number % 3 == 1
    return {
        "id": object_id,
        "accountId": source.account_id,
        "name": f"{name} {number}".strip(),
        "description": (None, "")[number & 1],
        "message": text,
        "color": (None, "#00aa55")[number & 1],
        "messageTemplateGroupId": source.first + number % 3 if number & 2 else None,
        "channelId": (None, 2018, 2005)[number % 3],
        "listingMapId": source.layout.listing_id(number % source.layout.listings) if listed else None,
    }


def coupon(source: Source, object_id: int) -> Payload:
    """Return one coupon of the booking engine; how often it was used moves without notice."""
    number = object_id - source.first
    today = source.layout.start // DAY
    expired = number % 4 == 3  # noqa: PLR2004  (odds)
    return {
        "id": object_id,
        "accountId": source.account_id,
        "name": ("SUMMER10", "étudiant", "50%-OFF", "=2+5", "welcome 🎁")[number % 5],
        "type": ("percentage", "flat")[number & 1],
        "amount": (10, "12.50", 7.5)[number % 3],
        "isActive": int(not expired),
        "isExpired": int(expired),
        "checkInDateStart": day_text(today + number) if number & 1 else None,
        "checkInDateEnd": day_text(today + 90 + number) if number & 1 else None,
        "validityDateStart": day_text(today - 200),
        "validityDateEnd": day_text(today - 7 if expired else today + 200),
        "minimumNights": (None, 2)[number & 1],
        "numberOfUsesInitial": (None, 100)[number & 1],
        "numberOfUsesUsed": number * 3,
        "listingMapIds": [],
    }


def agreement_ids(source: Source) -> range:
    """Return the id of a listing's agreement; a third of the listings has none."""
    return range(source.owner_id, source.owner_id + int(source.owner_id // 3 % 3 > 0))


def agreement(source: Source, object_id: int) -> Payload:
    """Return the rental agreement of a listing, with its placeholders."""
    guest = GUESTS[object_id % len(GUESTS)]
    text = f"<h1>Agreement</h1>{{{{guest_name}}}} rents from {guest.first} {guest.last}; § 1 – no parties.\r\n\u0007"
    return {"id": object_id, "listingMapId": source.owner_id, "text": text}
