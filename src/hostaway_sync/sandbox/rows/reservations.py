"""Reservation rows: about 117 keys and 3.5 kB, 25,000 and more a second (API notes, 9.1 and 9.2)."""

# ruff: noqa: PLR2004, RUF001 - the numbers are odds, and guests write in many languages
from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.sandbox.rows.listings import listing_name
from hostaway_sync.sandbox.rows.phrases import CHANNELS, GUESTS, STATUSES, quote
from hostaway_sync.sandbox.rows.reservation_facts import (
    CANCELLED,
    DECLINED,
    INQUIRY,
    Facts,
    reservation_facts,
)
from hostaway_sync.sandbox.rows.reservation_template import COPY, FULL
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import day_text, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.seed.layout import Layout

RESOURCE_KEYS: Final = ("customFieldValues", "reservationFees", "reservationUnit", "hostProxyEmail")
"""What `includeResources=0` empties (API notes, 4.6)."""
COPY_GAPS: Final[dict[str, object]] = {
    "listingName": "",
    "latestActivityOn": None,
    "guestAuthHash": None,
    "insuranceStatus": None,
    "customFieldValues": [],
}
"""How a copy inside a conversation differs from the reservation itself (API notes, 7.2)."""

_CURRENCIES = ("EUR", "NOK", "USD", "GBP", "EUR", "CHF", "EUR", "SEK")
_PAID = ('"Paid"',) * 10 + ('"Unknown"',) * 4 + ("null", '"Unpaid"')
_AGREEMENT = ('"not_required"', '"signed"', '"not_required"', '"not_signed"')
_POLICY = ('"moderate"', '"flexible"', '"tiered_pricing_non_refundable"', "null")
_COMMENTS = tuple(
    quote(text)
    for text in (
        "",
        None,
        "Late arrival, about 23:00 🌙",
        "<b>VIP</b> – flowers & wine",
        "",
        None,
        "2 dogs\r\nasked twice",
        "",
    )
)
_NO_NAME = '"guestName":"","guestFirstName":null,"guestLastName":null'
_NO_ADDRESS = '"guestZipCode":null,"guestAddress":null,"guestCity":"","guestCountry":null'


def _named(index: int) -> str:
    guest = GUESTS[index]
    full = quote(f"{guest.first} {guest.last}")
    return f'"guestName":{full},"guestFirstName":{quote(guest.first)},"guestLastName":{quote(guest.last)}'


def _addressed(index: int) -> str:
    guest = GUESTS[index]
    place = f'"guestCity":{quote(guest.city)},"guestCountry":"{guest.country}"'
    return f'"guestZipCode":"{1000 + index * 37}","guestAddress":"",{place}'


_NAMES = tuple(_named(index) for index in range(len(GUESTS)))
_ADDRESSES = tuple(_addressed(index) for index in range(len(GUESTS)))
_LOCALES = tuple(f'"{guest.locale}"' for guest in GUESTS)
_CHANNEL_PARTS = tuple(
    f'"channelId":{channel.id},"source":{quote(channel.source)},"channelName":"{channel.name}"' for channel in CHANNELS
)
_STATUS_TEXT = tuple(f'"{status}"' for status in STATUSES)


_CUSTOM = (
    '[{"id":%d1,"customFieldId":4001,"value":"%d bikes","insertedOn":"%s","updatedOn":"%s",'
    '"customField":{"id":4001,"name":"Bikes \\ud83d\\udeb2","possibleValues":null,"type":"text","isPublic":0}}]'
)
_FEES = (
    '[{"id":%d7,"accountId":null,"reservationId":%d,"name":"Cleaning","amount":60,"isIncludedInTotalPrice":1,'
    '"insertedOn":"%s","updatedOn":"%s"}]'
)


def _sub_objects(number: int, more: int, inserted: str) -> tuple[str, str, str]:
    """Return what `includeResources=1` fills: custom fields on 1 row of 8, fees on 1 of 16, and a mail proxy on all."""
    custom = _CUSTOM % (number, more & 31, inserted, inserted) if more >> 14 & 7 == 0 else "[]"
    fees = _FEES % (number, number, inserted, inserted) if more >> 17 & 15 == 0 else "[]"
    return custom, fees, f'"c-{more:016x}@host.hostaway.info"'


class ReservationRows:
    """Writes the seeded reservations of one account; `blank` is how an empty time is written."""

    def __init__(self, layout: Layout, account_id: int, blank: str) -> None:
        self._layout = layout
        self._account_id = account_id
        self._blank = blank
        self._listing_names: dict[int, str] = {}

    def row(self, position: int, reservation_id: int, *, resources: bool = True) -> str:
        """Return the row at a position of the seeded list."""
        return self.write(reservation_facts(self._layout, position, reservation_id), resources=resources)

    def copy(self, facts: Facts) -> str:
        """Return the half-filled copy that a conversation carries."""
        return COPY % self._values(facts, copy=True, resources=True)

    def write(self, facts: Facts, *, resources: bool = True) -> str:
        """Return a whole row."""
        return FULL % self._values(facts, copy=False, resources=resources)

    def _listing_name(self, listing_id: int) -> str:
        name = self._listing_names.get(listing_id)
        if name is None:
            name = self._listing_names[listing_id] = quote(listing_name(self._layout.seed, listing_id))
        return name

    def _values(self, facts: Facts, *, copy: bool, resources: bool) -> tuple[object, ...]:
        (number, bits, updated, activity, inserted, arrival, nights, status, channel, guest, listing_id) = facts
        more = mix(bits)
        booked = CHANNELS[channel].bookable
        code = f"{self._account_id}-{listing_id}-{CHANNELS[channel].id}-{inserted}{more & 1023:04d}"
        secret = f"{more:016x}{bits:016x}"
        price = self._price(more, nights, status)
        cancelled = status in (CANCELLED, DECLINED)
        named = guest >= 0
        reach = more >> 10 & 15
        inserted_text = stamp_text(inserted)
        reserved = f'"{inserted_text}"' if booked else self._blank
        custom, fees, proxy = _sub_objects(number, more, inserted_text) if resources else ("[]", "[]", "null")
        return (
            number, listing_id, '""' if copy else self._listing_name(listing_id), _CHANNEL_PARTS[channel], code, number,
            code,
            600_000_000_000 + listing_id * 7, "null" if copy else f'"{secret}"', secret[8:24], reserved,
            self._blank, _NAMES[guest] if named else _NO_NAME, 50_000_000 + (more & 0xFFFFFF),
            _ADDRESSES[guest] if named and reach & 1 else _NO_ADDRESS,
            f'"guest{more & 0xFFFFF}@guest.example"' if reach < 7 else ("null", '""')[reach & 1],
            secret[:12], 1 + (bits >> 3 & 3), 1 + (bits >> 3 & 1), bits >> 4 & 1, day_text(arrival),
            day_text(arrival + nights), int(nights == 0), self._blank, self._blank, 15 if booked else 0,
            11 if booked else 0, nights,
            f'"+47{more & 0xFFFFFFF:09d}"' if reach > 6 else "null", *price, _PAID[more >> 20 & 15],
            _CURRENCIES[more >> 24 & 7], _STATUS_TEXT[status],
            f'"{stamp_text(activity)}"' if cancelled else self._blank,
            '"guest"' if cancelled and more >> 27 & 1 else "null", _COMMENTS[more >> 28 & 7], more % 9000 + 1000,
            _COMMENTS[more >> 31 & 7], f"HM{secret[:8].upper()}", _POLICY[more >> 34 & 3], int(more >> 36 & 63 == 0),
            int(more >> 42 & 127 == 0), "[]" if copy else custom, fees, inserted_text, stamp_text(updated),
            "null" if copy else f'"{stamp_text(activity)}"', _LOCALES[guest], _AGREEMENT[more >> 49 & 3],
            "null" if copy else '"not_eligible"', proxy,
        )  # fmt: skip

    @staticmethod
    def _price(more: int, nights: int, status: int) -> tuple[object, object, object, object, object]:
        """Return total, tax, cleaning fee, payout and commission: whole or fractional numbers, or none."""
        if nights == 0 or (status == INQUIRY and more & 64) or (status == CANCELLED and more & 3):
            return 0, "null", "null", "null", "null"
        total = nights * (60 + (more >> 4 & 255))
        if more & 1:
            return total, total // 10, 60, "null", "null"
        cents = total * 100 + (more >> 12) % 100
        return cents / 100, cents // 17 / 100, 45.5, cents * 97 // 10_000, cents * 3 // 100 / 100
