"""What an account and its listings have set: policies, taxes, fees, fields, rules (resource notes, 2 and 3)."""

# ruff: noqa: RUF001 - hosts write in many languages
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.rows.resources.kind import HUGE
from hostaway_sync.sandbox.seed.timestamps import DAY, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.rows.resources.kind import Payload, Source

CHANNEL_POLICIES: Final = {
    "airbnb": ("Flexible", "Moderate", "Firm", "Strict", "Non-refundable 10 %", "Long Term"),
    "booking": ("Fully flexible – 1 day", "Flexible – 5 days", "Non-refundable", "Teilweise erstattbar", "18:00"),
    "marriott": ("48 hours", "14 days", "60 days"),
    "vrbo": ("No refund", "Firm", "Relaxed", "Strict"),
}
"""Names of the policies of each channel; their ids are texts above 2^53."""
_FIELDS = (
    ("reservation", "Parking place", "dropdown", ["P1", "P2", "<none>"]),
    ("reservation", "Wie haben Sie uns gefunden?", "text", None),
    ("listing", "Owner's bank", "text", None),
    ("listing", "Meter reading (kWh)", "number", None),
    ("task", "Linen", "dropdown", ["1 set", "2 sets"]),
    ("task", "写真", "url", None),
)
_STATEMENTS = ("Owner statement Jänner – Familie Öztürk", "Q3 / O'Brien", "=1+1", "Statement\u0007 of\r\nHarbour Loft")
_RULES = ("Summer", "Weekend minimum", "Weihnachten & Silvester 🎄", "Gap nights", "")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FEES = (("cleaningFee", "Cleaning", 60), ("petFee", "Haustier 🐕", 12.5), ("damageWaiver", "", "19.90"))


def custom_field(source: Source, object_id: int) -> Payload:
    """Return the definition of a custom field; values stand in the objects themselves."""
    number = object_id - source.first
    kind, name, form, values = _FIELDS[number]
    return {
        "id": object_id,
        "accountId": source.account_id,
        "objectType": kind,
        "name": name,
        "varName": f"custom_field_{number}",
        "type": form,
        "isPublic": number & 1,
        "sortOrder": number,
        "possibleValues": values if values is not None else [],
    }


def cancellation_policy(source: Source, object_id: int) -> Payload:
    """Return a policy of the direct channels: in its items, numbers and ids are texts."""
    number = object_id - source.first
    items = [
        {
            "id": str(HUGE + 1 + number * 8 + place),
            "refundAmount": amount,
            "refundType": "percent",
            "refundField": "totalPrice",
            "timeDelta": str(-DAY * days),
            "event": "arrival",
        }
        for place, (amount, days) in enumerate((("100", 30), ("50", 7), ("0.00", 0)))
    ]
    return {
        "id": object_id,
        "accountId": source.account_id,
        "name": ("Moderate", "Nicht erstattbar", "14 days, then half")[number],
        "isDefault": int(number == 0),
        "cancellationPolicyItem": items[number:],
    }


def channel_policy_ids(channel: str, source: Source) -> list[str]:
    """Return the ids of a channel's policies: texts, as they are above 2^53."""
    base = HUGE + source.first * 100
    return [str(base + number) for number in range(len(CHANNEL_POLICIES[channel]))]


def channel_policy(channel: str, source: Source, object_id: str) -> Payload:
    """Return a policy of a channel."""
    number = int(object_id) - HUGE - source.first * 100
    name = CHANNEL_POLICIES[channel][number]
    row = {"id": object_id, "code": f"{channel}_{number}", "name": name, "description": f"{name}: see the channel."}
    return row | ({"accountId": source.account_id, "listingMapId": None} if channel == "airbnb" else {})


def account_tax(source: Source, object_id: int) -> Payload:
    """Return a tax of the account; `applyTo` is JSON inside a text."""
    return _tax(source, object_id, object_id - source.first) | {
        "ageCondition": None if object_id & 1 else {"from": 18, "to": None}
    }


def listing_taxes(source: Source) -> range:
    """Return the ids of a listing's own taxes: none, one or two."""
    return range(source.owner_id, source.owner_id + source.owner_id // 3 % 3)


def listing_tax(source: Source, object_id: int) -> Payload:
    """Return a tax of one listing."""
    return _tax(source, object_id, object_id - source.owner_id + 1) | {"listingMapId": source.owner_id}


def _tax(source: Source, object_id: int, number: int) -> Payload:
    bits = source.bits(object_id, 6)
    return {
        "id": object_id,
        "accountId": source.account_id,
        "taxName": ("VAT", "Kurtaxe", "City tax & more", "宿泊税")[number & 3],
        "taxType": ("percent", "flat")[number & 1],
        "amount": (12, "2.50", 3.5, 0)[bits & 3],
        "appliedPer": ("reservation", "perNightPerPerson")[number & 1],
        "applyTo": json.dumps({"baseRate": True, "fees": [1, 2][: bits >> 2 & 3], "note": "a/b"}),
        "insertedOn": stamp_text(source.layout.start - 400 * DAY),
        "updatedOn": stamp_text(source.layout.start - bits % (300 * DAY)),
    }


def listing_fees(source: Source) -> range:
    """Return the ids of a listing's fees: none to three."""
    return range(source.owner_id, source.owner_id + source.owner_id % 4)


def listing_fee(source: Source, object_id: int) -> Payload:
    """Return a fee of one listing."""
    kind, title, amount = _FEES[object_id - source.owner_id]
    bits = source.bits(object_id, 7)
    return {
        "id": object_id,
        "listingMapId": source.owner_id,
        "feeType": kind,
        "feeTitle": title,
        "feeAppliedPer": ("reservation", "night")[bits & 1],
        "amount": amount,
        "amountType": ("flat", "percent")[bits >> 1 & 1],
        "isMandatory": bits >> 2 & 1,
        "isQuantitySelectable": (0, None)[bits >> 3 & 1],
        "insertedOn": stamp_text(source.layout.start - 400 * DAY),
        "updatedOn": stamp_text(source.layout.start - bits % (300 * DAY)),
    }


def seasonal_rule(source: Source, object_id: int) -> Payload:
    """Return a rule of a season; the days on which nobody may come or go are a Python-like list in a text."""
    number = object_id - source.first
    stays = {
        f"{end}Nights{day}": (None, 1 + number)[int(end == "min")]
        for end in ("min", "max")
        for day in (*_WEEKDAYS, "Unspecified")
    }
    return {
        "id": object_id,
        "accountId": source.account_id,
        "title": _RULES[number],
        "channelId": (None, 2018)[number & 1],
        **stays,
        "closedForCheckin": ("[]", "['Monday']", "['Monday', 'Sunday']", None, "")[number],
        "closedForCheckout": ("['Sunday']", "[]")[number & 1],
        "pricingRules": [{"id": str(HUGE + 3 + number), "amount": "1.15", "type": "multiplier"}][: number & 1],
    }


def owner_statement(source: Source, object_id: int) -> Payload:
    """Return what the list says of an owner's statement: its name."""
    number = object_id - source.first
    return {"id": object_id, "statementName": _STATEMENTS[number % len(_STATEMENTS)] + f" {2024 + number // 4}"}


def pricing_settings(source: Source, object_id: int) -> Payload:
    """Return the only object of a listing's pricing settings."""
    return {"id": object_id, "listingMapId": source.owner_id, "isLosEnabled": 0, "losMaxStay": None}
