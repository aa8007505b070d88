"""Tasks: the cleaning after each departure, and a few that belong to no stay (resource notes, 2.1 and 2.2)."""

# ruff: noqa: PLR2004 - the numbers are odds
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.rows.phrases import CHANNELS, GUESTS
from hostaway_sync.sandbox.rows.resources.reviews import STAYED
from hostaway_sync.sandbox.seed.timestamps import DAY, HOUR, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.rows.reservation_facts import Facts
    from hostaway_sync.sandbox.rows.resources.kind import Payload, Source

WINDOW_DAYS: Final = 90
_SALT = 2
_OWNER_STAY = 8
_LOOSE = 5
_TITLES = ("Cleaning", "Cleaning 🧽 + linen", "Nettoyage & inventaire", "Reinigung", "掃除", "Check-out <clean>")
_LOOSE_TITLES = ("Inspect the boiler", "Neue Batterien (Rauchmelder)", "Repaint the fence", "Call the owner ☎", "")
_NOTES = ("", None, "Guest leaves a dog\u0007 and 3 bags", 'The key is in the "blue" box', None, "2nd bed\r\nbaby cot")
_CHECKLIST = ("Beds", "Bathroom", "Fridge", "Keys", "Rubbish")


def task_ids(source: Source) -> list[int]:
    """Return the ids of seeded tasks: one a departure of 180 days around the start, and five that have no stay."""
    today = source.layout.start // DAY

    def chosen(facts: Facts) -> bool:
        takes_place = facts.status in STAYED or (facts.status == _OWNER_STAY and facts.nights)
        return bool(takes_place) and abs(facts.arrival + facts.nights - today) <= WINDOW_DAYS

    return [source.first_of_stays - number for number in range(_LOOSE, 0, -1)] + source.stay_ids(chosen)


def task(source: Source, object_id: int) -> Payload:
    """Return one task."""
    bits = source.bits(object_id, _SALT)
    if object_id < source.first_of_stays:
        number = source.first_of_stays - object_id - 1
        start = source.layout.start + (number * 9 - 20) * DAY
        listing = source.layout.listing_id(number % source.layout.listings) if source.layout.listings else None
        known = {"listingMapId": listing if number else None, "title": _LOOSE_TITLES[number]}
        return _written(source, object_id, bits, start) | known
    facts = source.stay(object_id)
    guest = GUESTS[facts.guest].first if facts.guest >= 0 else ""
    start = (facts.arrival + facts.nights) * DAY + 9 * HOUR
    return _written(source, object_id, bits, start) | {
        "listingMapId": facts.listing_id,
        "reservationId": facts.id,
        "channelId": CHANNELS[facts.channel].id,
        "title": f"{_TITLES[bits % len(_TITLES)]} {guest}".strip(),
        "canStartFromEvent": "check-out",
        "canStartFromEventDelta": 0,
        "autoTaskId": source.first,
    }


def _written(source: Source, object_id: int, bits: int, start: int) -> Payload:
    """Return the keys that no stay decides; listing times are two hours ahead of UTC."""
    end = start + (2 + (bits >> 4 & 3)) * HOUR
    status = _status(bits, start, end, source.layout.start)
    done, begun = status == "completed", status in ("completed", "inProgress")
    cost = (None, 45, 62.5, 0)[bits >> 6 & 3]
    assigned = bits >> 8 & 3
    return {
        "id": object_id,
        "accountId": source.account_id,
        "listingMapId": None,
        "reservationId": None,
        "channelId": None,
        "reservationUnitId": None,
        "autoTaskId": None,
        "assigneeUserId": source.first + (bits >> 10 & 7) if assigned else None,
        "supervisorUserId": source.first if assigned == 3 else None,
        "canBePickedByGroupId": None if assigned else source.first + 1,
        "title": "",
        "description": _NOTES[(bits >> 13) % len(_NOTES)],
        "status": status,
        "priority": (None, 1, 2, 3)[bits >> 16 & 3],
        "canStartFrom": stamp_text(start),
        "canStartFromListingTime": stamp_text(start + 2 * HOUR),
        "canStartFromEvent": None,
        "canStartFromEventDelta": None,
        "shouldEndBy": stamp_text(end) if bits >> 18 & 15 else None,
        "shouldEndByListingTime": stamp_text(end + 2 * HOUR) if bits >> 18 & 15 else None,
        "shouldEndByEvent": None,
        "shouldEndByEventDelta": None,
        "startedAt": stamp_text(start + 600) if begun else None,
        "confirmedAt": stamp_text(start - DAY) if status != "pending" else None,
        "completedAt": stamp_text(end - 900) if done else None,
        "cost": cost,
        "costCurrency": "EUR" if cost is not None else None,
        "costDescription": None,
        "expense": None,
        "checklistItems": [
            {"id": object_id * 10 + place, "name": name, "isDone": int(done)}
            for place, name in enumerate(_CHECKLIST[: bits >> 22 & 3])
        ],
        "categoriesMap": {"3": "Cleaning"} if bits >> 24 & 1 else [],
        "customFieldValue": [{"customFieldId": source.first + 4, "value": "2 sets"}] if bits >> 25 & 7 == 0 else [],
        "feedbackScore": (None, 5, 4, None)[bits >> 28 & 3] if done else None,
        "feedbackNote": None,
        "resolutionNote": "Lamp broken, replaced 💡" if done and bits >> 30 & 7 == 0 else None,
        "color": ("#ff8800", None)[bits >> 33 & 1],
        "rank": bits >> 34 & 7,
        "isUpdatedManually": int(bits >> 37 & 7 == 0),
    }


def _status(bits: int, start: int, end: int, now: int) -> str:
    if bits >> 40 & 31 == 0:
        return "cancelled"
    if end < now:
        return "completed" if bits >> 45 & 7 else "confirmed"
    return "inProgress" if start <= now else ("pending", "confirmed")[bits >> 45 & 1]
