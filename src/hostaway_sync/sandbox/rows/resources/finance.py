"""Money: expenses, charges and their rules, and what makes a reservation's price (resource notes, 2 to 4)."""

# ruff: noqa: PLR2004 - the numbers are odds
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.sandbox.rows.phrases import CHANNELS, GUESTS
from hostaway_sync.sandbox.rows.resources.kind import HUGE
from hostaway_sync.sandbox.rows.resources.reviews import STAYED
from hostaway_sync.sandbox.seed.timestamps import DAY, HOUR, day_text, stamp_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.sandbox.rows.reservation_facts import Facts
    from hostaway_sync.sandbox.rows.resources.kind import Payload, Source

_CHARGE, _EXPENSE = 3, 4
_METHODS = ("credit_card", "bank_transfer", "cash", "paypal")
_CONCEPTS = ("Plumber", "Linen, 12 sets", "Gärtner", "Refund\u0007 to guest", "=SUM(A1:A9)", "Owner\u2019s commission")
_CATEGORIES = ("Maintenance", "Cleaning", "Reinigung & Wäsche", "Other")


def charge_ids(source: Source) -> list[int]:
    """Return the ids of seeded charges: one a stay that was booked directly or through an engine."""
    return source.stay_ids(lambda facts: facts.status in STAYED and CHANNELS[facts.channel].bookable)


def charge(source: Source, object_id: int) -> Payload:
    """Return one charge of a stay; what is to come is scheduled, what is past was paid, refunded or failed."""
    facts = source.stay(object_id)
    bits = source.bits(facts.id, _CHARGE)
    due = (facts.arrival - 7) * DAY + 8 * HOUR
    past = due <= source.layout.start
    status = (
        ("paid", "paid", "paid", "refunded", "paid", "failed", "paid", "cancelled")[bits & 7] if past else "scheduled"
    )
    amount: float = facts.nights * (60 + (bits >> 3 & 255)) + (0, 0.5)[bits >> 11 & 1]
    is_card = bits >> 12 & 1
    paid = status in ("paid", "refunded")
    return {
        "id": object_id,
        "accountId": source.account_id,
        "reservationId": facts.id,
        "listingMapId": facts.listing_id,
        "type": ("charge", "hold", "charge", "refund")[bits >> 13 & 3],
        "status": status,
        "title": _titled(facts),
        "description": (None, "")[bits >> 15 & 1],
        "amount": amount,
        "capturedAmount": amount if paid else 0,
        "currency": ("EUR", "NOK", "USD", "CHF")[bits >> 16 & 3],
        "paymentMethod": "credit_card" if is_card else _METHODS[bits >> 18 & 3],
        "paymentProvider": "stripe" if is_card else None,
        "isManual": int(not is_card),
        "scheduledDate": stamp_text(due),
        "chargeDate": stamp_text(due + 90) if paid else None,
        "holdReleaseDate": None,
        "autoChargeId": source.first,
        "autopaymentId": source.first if bits >> 20 & 1 else None,
        "autoPaymentId": None if bits >> 20 & 1 else source.first,
        "triggerEvent": "check-in",
        "triggerTimeDelta": -7 * DAY,
        "flatFee": None,
        "percentageFee": ("2.9", None)[bits >> 21 & 1],
        "transactions": [_transaction(object_id, amount, bits, due)] if is_card and paid else [],
    }


def _transaction(object_id: int, amount: float, bits: int, moment: int) -> Payload:
    return {
        "id": str(HUGE + object_id),
        "amount": str(amount),
        "providerTransactionId": f"pi_{bits:016x}",
        "providerCustomerId": f"cus_{bits >> 9:016x}",
        "cardLast4": f"{bits % 10_000:04d}",
        "createdOn": stamp_text(moment + 90),
    }


def _titled(facts: Facts) -> str:
    name = GUESTS[facts.guest].last if facts.guest >= 0 else ""
    return f"Payment {name}".strip()


def expense_ids(source: Source) -> list[int]:
    """Return the ids of seeded expenses: of one in four departed stays."""
    today = source.layout.start // DAY

    def chosen(facts: Facts) -> bool:
        departed = facts.status in STAYED and facts.arrival + facts.nights < today
        return departed and source.bits(facts.id, _EXPENSE) & 3 == 0

    return source.stay_ids(chosen)


def expense(source: Source, object_id: int) -> Payload:
    """Return one expense; costs are negative, and owner and guest stand in it with their names."""
    facts = source.stay(object_id)
    bits = source.bits(facts.id, _EXPENSE) >> 2
    booked = bits & 3 > 0
    guest = GUESTS[facts.guest] if facts.guest >= 0 and booked else None
    made = (facts.arrival + facts.nights) * DAY + 12 * HOUR
    category = bits >> 2 & 3
    return {
        "id": object_id,
        "accountId": source.account_id,
        "listingMapId": facts.listing_id if bits >> 4 & 15 else None,
        "reservationId": facts.id if booked else None,
        "expenseDate": day_text(made // DAY),
        "concept": _CONCEPTS[bits % len(_CONCEPTS)],
        "type": ("expense", "extra")[bits >> 8 & 1],
        "amount": (bits >> 9 & 255) + 0.5 if bits >> 8 & 1 else -(bits >> 9 & 255) - 20,
        "isDeleted": int(bits >> 17 & 15 == 0),
        "categories": [source.first + category],
        "categoriesNames": [_CATEGORIES[category]],
        "attachments": [{"name": "bill.pdf", "url": f"https://files.example/{bits:016x}.pdf"}][: bits >> 21 & 1],
        "ownerUserId": source.first + (bits >> 22 & 7),
        "ownerUserName": "Familie Öztürk",
        "ownerUserEmail": f"owner{bits >> 22 & 7}@host.example",
        "guestName": f"{guest.first} {guest.last}" if guest else None,
        "ownerStatementId": source.first + (bits >> 25 & 7) if bits >> 28 & 1 else None,
        "ownerStatementIds": [],
        "ownerStatementNames": [],
        "insertedOn": stamp_text(made),
        "updatedOn": stamp_text(min(made + bits % (40 * DAY), source.layout.start)),
    }


def custom_formula(source: Source, object_id: int) -> Payload:
    """Return one formula of the account."""
    number = object_id - source.first
    return {
        "id": object_id,
        "accountId": source.account_id,
        "name": ("Owner payout", "Provision (netto)")[number],
        "formula": '[{"type":"field","value":"totalPrice"},{"type":"op","value":"-"}]',
        "insertedOn": stamp_text(source.layout.start - 90 * DAY),
        "updatedOn": stamp_text(source.layout.start - (40 + number) * DAY),
    }


def auto_payment(source: Source, object_id: int) -> Payload:
    """Return one rule that makes charges."""
    number = object_id - source.first
    return {
        "id": object_id,
        "accountId": source.account_id,
        "name": ("Deposit 30 %", "Rest, 7 days before", "Kaution")[number],
        "amount": ("30", 70, None)[number],
        "amountType": ("percent", "flat")[number & 1],
        "event": "check-in",
        "timeDelta": -DAY * (60, 7, 1)[number],
        "channelIds": [2000, 2013],
        "isActive": int(number < 2),
        "insertedOn": stamp_text(source.layout.start - 300 * DAY),
        "updatedOn": stamp_text(source.layout.start - (100 + number) * DAY),
    }


_COMPONENTS: Final = ("baseRate", "cleaningFee", "vat", "otherFees")


def finance_field_ids(source: Source) -> range:
    """Return the ids of what a reservation's price is made of; one without a price has nothing."""
    return (
        range(10 * source.owner_id, 10 * source.owner_id + len(_COMPONENTS))
        if source.owner.get("totalPrice")
        else range(0)
    )


def finance_field(source: Source, object_id: int) -> Payload:
    """Return one component: together they make the reservation's price, and own fees hide behind `otherFees`."""
    number = object_id % 10
    name = _COMPONENTS[number]
    cents = round(float(source.owner["totalPrice"]) * 100)
    shares = {"cleaningFee": cents // 10, "vat": cents // 20, "otherFees": cents // 50}
    total = (shares[name] if name in shares else cents - sum(shares.values())) / 100
    return {
        "id": object_id,
        "accountId": source.account_id,
        "reservationId": source.owner_id,
        "type": ("price", "fee", "tax", "fee")[number],
        "name": name,
        "alias": "Haustier 🐕" if name == "otherFees" else None,
        "title": name,
        "value": str(total),
        "total": total,
        "quantity": None,
        "isIncludedInTotalPrice": 1,
        "isOverriddenByUser": 0,
        "isDeleted": 0,
    }


def log_ids(_source: Source) -> list[str]:
    """Return the keys of a reservation's log: an id is unique only within its source."""
    return [f"{name}/{number}" for number in (3, 2, 1) for name in ("reservation", "financeStandardField")]


def log_entry(source: Source, key: str) -> Payload:
    """Return who changed which field of a reservation."""
    kind, _, number = key.partition("/")
    place = int(number)
    field = ("status", "departureDate", "totalPrice")[place - 1] if kind == "reservation" else "cleaningFee"
    value: Any = _value(source.owner, field)
    return {
        "id": place,
        "source": kind,
        "reservationId": source.owner_id,
        "updatedField": field,
        "previousValue": None,
        "newValue": value,
        "updatedByUserId": source.first + place,
        "updatedByUserName": f"user{place}@host.example",
        "insertedOn": stamp_text(source.layout.start - (10 - place) * HOUR),
    }


def _value(owner: Mapping[str, Any], name: str) -> str | None:
    value = owner.get(name)
    return None if value is None else str(value)


def rental_agreement(source: Source, _key: int) -> Payload:
    """Return what the documentation says: the reservation, with the address of the file that the guest signed."""
    signed = source.owner.get("reservationAgreement") == "signed"
    url = f"https://files.example/agreement/{source.owner_id}.pdf" if signed else None
    return {**source.owner, "rentalAgreementFileUrl": url}
