"""Conversation rows: 5 to 8 kB with one embedded message and a half-filled reservation (API notes, 7.2)."""

# ruff: noqa: PLR2004 - the numbers are odds
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hostaway_sync.sandbox.rows.phrases import FIRST_NAMES, GUESTS
from hostaway_sync.sandbox.rows.reservation_facts import Facts, reservation_facts
from hostaway_sync.sandbox.seed.layout import ANSWER_GAP, FIRST, STRANGER
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import HOUR, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.seed.layout import Layout


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation, seeded or not. Times are Unix seconds; `channel` and `guest` are indices of `phrases`.

    Attributes:
        place: its place in the seeded list; -1 when it came later.
        facts: of the reservation it was seeded beside; None when it came later.
        changed: whether anything differs from what was seeded.
        answered: whether a host ever wrote; False only among seeded ones at the end of the list.
    """

    id: int
    place: int
    kind: int
    reservation_id: int | None
    listing_id: int | None
    channel: int
    guest: int
    sent: int | None
    received: int | None
    unread: bool
    bits: int
    answered: bool = True
    facts: Facts | None = None
    changed: bool = False


def seeded_conversation(layout: Layout, place: int, conversation_id: int) -> Conversation:
    """Derive a seeded conversation; its stamps never lie above its reservation's `latestActivityOn`."""
    position, kind = layout.conversation_entry(place)
    facts = reservation_facts(layout, position, layout.reservation_id(position))
    bits = mix(layout.seed * 7 + conversation_id)
    answered = layout.answered(place)
    sent = facts.updated - ANSWER_GAP if answered else None
    received: int | None
    if sent is None:
        received = facts.activity if place % 3 else None
    elif kind != FIRST:
        received = sent - HOUR
    elif bits & 7 == 0:
        received = None
    else:
        received = facts.activity if bits & 7 < 4 else sent - 60 - (bits >> 3 & 0x3FFF)
    return Conversation(
        id=conversation_id,
        place=place,
        kind=kind,
        reservation_id=None if kind == STRANGER else facts.id,
        listing_id=None if kind == STRANGER else facts.listing_id,
        channel=facts.channel,
        guest=facts.guest if facts.guest >= 0 else bits % len(GUESTS),
        sent=sent,
        received=received,
        unread=bits >> 20 & 15 != 0,
        bits=bits,
        answered=answered,
        facts=facts,
    )


class ConversationRows:
    """Writes the conversations of one account; `blank` is how an empty time is written."""

    def __init__(self, account_id: int, *, blank: str, wrong_listing: bool) -> None:
        self._account_id = account_id
        self._blank = blank
        self._wrong_listing = wrong_listing

    def write(self, conversation: Conversation, messages: str, reservation: str) -> str:
        """Return one conversation around its embedded messages (comma-separated) and copy of a reservation."""
        secret = f"{conversation.bits:016x}"
        listing: object = conversation.listing_id or "null"
        return _TEMPLATE % (
            conversation.id,
            self._account_id,
            self._account_id if self._wrong_listing else listing,
            conversation.reservation_id or "null",
            "host-guest-native" if conversation.bits >> 30 & 31 == 0 else "host-guest-email",
            FIRST_NAMES[conversation.guest],
            secret[:6],
            secret,
            secret[::-1],
            int(conversation.unread),
            self._time(conversation.sent),
            self._time(conversation.received),
            messages,
            reservation,
        )

    def _time(self, seconds: int | None) -> str:
        return self._blank if seconds is None else f'"{stamp_text(seconds)}"'


_TEMPLATE = (
    '{"id":%s,"accountId":%s,"listingMapId":%s,"reservationId":%s,"type":"%s","recipientEmail":null,"recipientName":%s,'
    '"recipientPicture":"https:\\/\\/img.example\\/u\\/%s.jpg","hostEmail":"c-%s@host.hostaway.info",'
    '"guestEmail":"c-%s@guest.hostaway.info","hasUnreadMessages":%s,"messageSentOn":%s,"messageReceivedOn":%s,'
    '"conversationMessages":[%s],"Reservation":%s}'
)
