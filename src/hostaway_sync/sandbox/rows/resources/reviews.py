"""Reviews of departed stays (resource notes, 2.1 and 2.2)."""

# ruff: noqa: RUF001 - the numbers are odds, and guests write in many languages
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.rows.listings import listing_name
from hostaway_sync.sandbox.rows.phrases import CHANNELS, GUESTS
from hostaway_sync.sandbox.rows.resources.kind import HUGE
from hostaway_sync.sandbox.seed.timestamps import DAY, HOUR, day_text, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.rows.reservation_facts import Facts
    from hostaway_sync.sandbox.rows.resources.kind import Payload, Source

STAYED: Final = (0, 1)
"""Statuses of stays that take place: new, modified."""
_SALT = 1
_OF_128 = 77
_FORTNIGHT = 14
_PRAISE = (
    "Wonderful home, we will be back! ❤️",
    "Schöne Wohnung, aber die Heizung ging nicht.\r\nSehr schade.",
    "とても清潔で静かでした。また来ます。",
    "Très bien situé ; l’hôte répond vite. Merci !",
    "Dirty.\tLoud.\u0007 The door \u001b[31mdid not lock\u001b[0m. Never again!!!",
    '=HYPERLINK("https://evil.example","see photos") & <b>\'nice\'</b>; DROP TABLE reviews;--',
    "Muy bonito todo.\u00a0\u200bEl desayuno, regular.",
    "ok",
)
_PRIVATE = ("The mattress is worn, just so you know.", "", None, "Your cleaner Marta was late \u202eagain\u202c.")
_ANSWERS = ("Thank you, come back soon!", None, None, "We are sorry and have repaired it. 🙏")
_CATEGORIES = ("cleanliness", "communication", "location", "value", "checkin", "accuracy", "respect_house_rules")
_OPEN = ("awaiting", "pending", "scheduled", "submitted")


def review_ids(source: Source) -> list[int]:
    """Return the ids of seeded reviews: six of ten departed stays have one."""
    today = source.layout.start // DAY

    def chosen(facts: Facts) -> bool:
        departed = facts.status in STAYED and facts.arrival + facts.nights < today
        return departed and source.bits(facts.id, _SALT) & 127 < _OF_128

    return source.stay_ids(chosen)


def review(source: Source, object_id: int) -> Payload:
    """Return one review; what is not written yet has no rating."""
    facts = source.stay(object_id)
    bits = source.bits(facts.id, _SALT)
    departure = facts.arrival + facts.nights
    is_open = departure > source.layout.start // DAY - _FORTNIGHT
    status = _OPEN[bits >> 8 & 3] if is_open else "expired" if bits >> 10 & 15 == 0 else "published"
    written = status in ("submitted", "published")
    submitted = departure * DAY + 11 * HOUR + (bits >> 14) % (3 * DAY)
    guest = GUESTS[facts.guest] if facts.guest >= 0 else None
    return {
        "id": object_id,
        "accountId": source.account_id,
        "listingMapId": facts.listing_id,
        "reservationId": facts.id,
        "channelId": CHANNELS[facts.channel].id,
        "type": "host-to-guest" if bits >> 30 & 7 == 0 else "guest-to-host",
        "status": status,
        "rating": _rating(bits) if written else None,
        "externalReviewId": str(HUGE + (bits & 0xFFFFFF)),
        "externalReservationId": f"HM{bits:016X}",
        "publicReview": _PRAISE[bits >> 34 & 7] if written else None,
        "privateFeedback": _PRIVATE[bits >> 37 & 3] if written else None,
        "revieweeResponse": _ANSWERS[bits >> 39 & 3] if status == "published" else None,
        "isRevieweeRecommended": bits >> 41 & 1 if written else None,
        "isCancelled": int(bits >> 42 & 63 == 0),
        "autoReviewId": None,
        "autoReviewTemplateId": None,
        "scheduledDateTime": stamp_text(submitted) if status == "scheduled" else None,
        "timeDelta": -HOUR if status == "scheduled" else None,
        "arrivalDate": f"{day_text(facts.arrival)} 15:00:00",
        "departureDate": f"{day_text(departure)} 11:00:00",
        "submittedAt": stamp_text(min(submitted, source.layout.start)) if written else None,
        "listingName": listing_name(source.layout.seed, facts.listing_id),
        "guestName": f"{guest.first} {guest.last}" if guest else "",
        "reviewCategory": _categories(bits) if written else [],
    }


def _rating(bits: int) -> float | int | None:
    """Return 0 to 10, mostly high, some with a fraction, rarely none although it was written."""
    return (10, 10, 10, 9.4, 8, 9, 10, 2, 10, 6, 7.5, 10, 0, 9, None, 8)[bits >> 48 & 15]


def _categories(bits: int) -> list[Payload]:
    count = bits >> 52 & 3
    return [{"category": name, "rating": bits >> place & 7} for place, name in enumerate(_CATEGORIES[: count * 2])]
