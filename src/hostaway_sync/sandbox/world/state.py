"""The rows of one account now: the seeded ones, overlaid by rows that were changed, added, deleted or corrupted."""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from hostaway_sync.sandbox.rows.conversations import (
    Conversation,
    ConversationRows,
    seeded_conversation,
)
from hostaway_sync.sandbox.rows.listings import RESOURCE_KEYS as LISTING_RESOURCES
from hostaway_sync.sandbox.rows.listings import ListingRows
from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.rows.reservation_facts import reservation_facts
from hostaway_sync.sandbox.rows.reservations import COPY_GAPS, ReservationRows
from hostaway_sync.sandbox.rows.reservations import RESOURCE_KEYS as RESERVATION_RESOURCES
from hostaway_sync.sandbox.seed.layout import FIRST, Layout
from hostaway_sync.sandbox.seed.live_order import conversation_order, reservation_order
from hostaway_sync.sandbox.seed.timestamps import parse_stamp
from hostaway_sync.sandbox.world.calendar import Calendars
from hostaway_sync.sandbox.world.stays import Stays
from hostaway_sync.sandbox.world.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.sandbox.seed.layout import FirstIds
    from hostaway_sync.sandbox.seed.live_order import Entry
    from hostaway_sync.sandbox.switches import Switches

Payload = dict[str, Any]
_REMEMBERED = 5_000
RESOURCES = ("listings", "reservations", "conversations", "messages")
BLANKS = {"null": "null", "empty": '""', "zeros": '"0000-00-00 00:00:00"'}


class WorldState:
    """The rows of one account, for reading; `World` adds the changes. Hold `lock` around related calls."""

    def __init__(
        self,
        account_id: int,
        *,
        seed: int,
        reservations: int,
        listings: int,
        conversations: bool,
        start: int,
        switches: Switches,
        first: FirstIds,
    ) -> None:
        self.account_id = account_id
        self.switches = switches
        self.lock = RLock()
        self.revision = 0
        self.layout = layout = Layout(
            seed=seed,
            reservations=reservations,
            listings=listings,
            start=start,
            first=first,
            conversations=conversations,
        )
        blank = BLANKS[switches.blank_times]
        self._reservation_rows = ReservationRows(layout, account_id, blank)
        self._listing_rows = ListingRows(layout)
        self._conversation_rows = ConversationRows(
            account_id, blank=blank, wrong_listing=switches.conversation_listing == "account_id"
        )
        self.threads = Threads(account_id, layout, switches)
        self.reservation_order = reservation_order(layout)
        self.conversation_order = conversation_order(layout)
        self.listing_ids = [layout.listing_id(number) for number in range(listings)]
        self._changed_reservations: dict[int, Payload] = {}
        self._stays = Stays(layout, self._changed_reservations)
        self._calendars = Calendars(layout, self._stays)
        self._changed_listings: dict[int, Payload] = {}
        self._changed_conversations: dict[int, Conversation] = {}
        self._later_threads: dict[int, list[int]] = {}
        self._listed: OrderedDict[int, int | None] = OrderedDict()
        self._raw: dict[str, dict[int, bytes]] = {resource: {} for resource in RESOURCES}

    # Listings

    def listing_text(self, listing_id: int, *, resources: bool = True) -> str | bytes:
        """Return a listing as a list page carries it; KeyError when it is not listed."""
        if listing_id in self._raw["listings"]:
            return self._raw["listings"][listing_id]
        text = self._clean_listing(listing_id)
        return text if resources else _emptied(text, LISTING_RESOURCES)

    def listing(self, listing_id: int) -> Payload:
        """Return a listing as an object that may be changed; KeyError when it is not listed."""
        return _parsed(self._clean_listing(listing_id))

    def listing_edited(self, listing_id: int) -> int:
        """Return a listing's `latestActivityOn` in Unix seconds; 0 when it has none."""
        if listing_id in self._changed_listings:
            return parse_stamp(self._changed_listings[listing_id].get("latestActivityOn")) or 0
        number = self.layout.listing_number(listing_id)
        return 0 if number is None else self._listing_rows.edited(number)

    def has_listing(self, listing_id: int) -> bool:
        """Return whether a listing is listed."""
        place = bisect_left(self.listing_ids, listing_id)
        return place < len(self.listing_ids) and self.listing_ids[place] == listing_id

    def _clean_listing(self, listing_id: int) -> str:
        if listing_id in self._changed_listings:
            return quote(self._changed_listings[listing_id])
        number = self.layout.listing_number(listing_id)
        if number is None or not self.has_listing(listing_id):
            raise KeyError(listing_id)
        return self._listing_rows.row(number)

    def _imagined_listing(self) -> Payload:
        """Return a realistic row for a listing that was not seeded."""
        return _parsed(self._listing_rows.row(0))

    def _put_listing(self, payload: Payload) -> None:
        self.revision += 1
        self._changed_listings[payload["id"]] = payload
        if not self.has_listing(payload["id"]):
            insort(self.listing_ids, payload["id"])

    # Reservations

    def reservation_text(self, position: int, reservation_id: int, *, resources: bool = True) -> str | bytes:
        """Return the reservation of an entry of `reservation_order` as a list page carries it."""
        if reservation_id in self._raw["reservations"]:
            return self._raw["reservations"][reservation_id]
        if position >= 0:
            return self._reservation_rows.row(position, reservation_id, resources=resources)
        text = quote(self._changed_reservations[reservation_id])
        return text if resources else _emptied(text, RESERVATION_RESOURCES)

    def reservation_position(self, reservation_id: int) -> int:
        """Return the seeded position of a listed reservation; -1 when it changed or was added later."""
        if reservation_id in self._changed_reservations:
            return -1
        position = self.layout.reservation_position(reservation_id)
        return -1 if position is None else position

    def reservation(self, reservation_id: int) -> Payload:
        """Return a reservation as an object that may be changed; KeyError when it is not listed."""
        if reservation_id in self._changed_reservations:
            return _parsed(quote(self._changed_reservations[reservation_id]))
        position = self.layout.reservation_position(reservation_id)
        if position is None or reservation_id not in self.reservation_order:
            raise KeyError(reservation_id)
        return _parsed(self._reservation_rows.row(position, reservation_id))

    def remember_listed(self, entries: list[Entry]) -> None:
        """Store the places of the rows of a page, for cursors; only the last few thousand are kept."""
        if self.switches.moved_cursor == "restart":
            return
        for _, number in entries:
            self._listed[number] = self.reservation_order.stamp(number)
            self._listed.move_to_end(number)
        while len(self._listed) > _REMEMBERED:
            self._listed.popitem(last=False)

    def moved_since_listed(self, reservation_id: int) -> bool:
        """Return whether a reservation has moved since a page listed it last."""
        stamp = self.reservation_order.stamp(reservation_id)
        return self._listed.get(reservation_id, stamp) != stamp

    def _imagined_reservation(self, reservation_id: int) -> Payload:
        """Return a realistic row for an id that was not seeded."""
        facts = reservation_facts(self.layout, 0, reservation_id)
        return _parsed(self._reservation_rows.write(facts))

    def _put_reservation(self, payload: Payload, stamp: int) -> None:
        self.revision += 1
        self._changed_reservations[payload["id"]] = payload
        self._stays.note_change(payload["id"])
        self.reservation_order.place(payload["id"], stamp)

    def _reservation_copy(self, conversation: Conversation) -> str:
        reservation_id = conversation.reservation_id
        if reservation_id is None or reservation_id not in self.reservation_order:
            return "null"
        if reservation_id in self._changed_reservations:
            return quote(self._changed_reservations[reservation_id] | COPY_GAPS)
        facts = conversation.facts
        if facts is None:
            position = self.layout.reservation_position(reservation_id) or 0
            facts = reservation_facts(self.layout, position, reservation_id)
        return self._reservation_rows.copy(facts)

    # Conversations

    def conversation(self, conversation_id: int) -> Conversation:
        """Return a conversation; KeyError when it is not listed."""
        if conversation_id in self._changed_conversations:
            return self._changed_conversations[conversation_id]
        place = self.layout.conversation_place(conversation_id)
        if place is None or conversation_id not in self.conversation_order:
            raise KeyError(conversation_id)
        return seeded_conversation(self.layout, place, conversation_id)

    def conversation_text(self, conversation_id: int, *, all_messages: bool = False) -> str | bytes:
        """Return a conversation with its last inserted message, or all of them, oldest first."""
        if conversation_id in self._raw["conversations"]:
            return self._raw["conversations"][conversation_id]
        conversation = self.conversation(conversation_id)
        messages = self.threads.embedded(conversation, all_messages=all_messages)
        return self._conversation_rows.write(conversation, messages, self._reservation_copy(conversation))

    def conversations_of(self, reservation_id: int) -> list[int]:
        """Return the ids of a reservation's conversations, as `/conversations` orders them."""
        found = list(self._later_threads.get(reservation_id, ()))
        position = self.layout.reservation_position(reservation_id)
        if position is not None:
            places = (self.layout.place_at(position, kind) for kind in (FIRST, FIRST + 1))
            found += [self.layout.conversation_id(place) for place in places if place is not None]
        stamps = {number: self.conversation_order.stamp(number) for number in found}
        listed = [(stamp, number) for number, stamp in stamps.items() if stamp is not None]
        return [number for _, number in sorted(listed, reverse=True)]

    def _put_conversation(self, conversation: Conversation) -> None:
        self.revision += 1
        known = self._changed_conversations.get(conversation.id) or (
            seeded_conversation(self.layout, conversation.place, conversation.id) if conversation.place >= 0 else None
        )
        self._changed_conversations[conversation.id] = replace(conversation, changed=True)
        if known is None or known.sent != conversation.sent:
            self.conversation_order.place(conversation.id, conversation.sent or 0)

    # All resources

    def truth(self, resource: str) -> Iterator[tuple[int, Payload]]:
        """Yield (id, payload) of every row that a whole walk with all flags set would list; corrupted ones need an id.

        `resource` is one of `RESOURCES`; messages come thread by thread. Hold `lock` or let nothing change meanwhile.
        """
        for text in self._texts(resource):
            try:
                payload = json.loads(text)
            except ValueError:
                continue
            if isinstance(payload, dict) and type(payload.get("id")) is int:
                yield payload["id"], payload

    def counts(self) -> dict[str, int]:
        """Count the rows of each resource that are listed now; messages are counted one by one."""
        return {
            "listings": len(self.listing_ids),
            "reservations": len(self.reservation_order),
            "conversations": len(self.conversation_order),
            "messages": sum(
                len(self.threads.entries(self.conversation(number)))
                for _, number in self.conversation_order
                if number > 0
            ),
        }

    def _texts(self, resource: str) -> Iterator[str | bytes]:
        resources = self.switches.include_resources == "honoured" or self.switches.resources_by_default
        if resource == "listings":
            yield from (self.listing_text(number, resources=resources) for number in self.listing_ids)
        elif resource == "reservations":
            for position, number in self.reservation_order:
                yield self.reservation_text(position, number, resources=resources)
        elif resource == "conversations":
            yield from (self.conversation_text(number) for _, number in self.conversation_order)
        elif resource == "messages":
            for _, number in self.conversation_order:
                if number > 0:
                    conversation = self.conversation(number)
                    yield from (self.threads.text(conversation, entry) for entry in self.threads.entries(conversation))
        else:
            raise ValueError(f"{resource!r} is none of {', '.join(RESOURCES)}")


def _parsed(text: str) -> Payload:
    payload: Payload = json.loads(text)
    return payload


def _emptied(text: str, keys: tuple[str, ...]) -> str:
    payload = _parsed(text)
    for key in keys:
        if key in payload:
            payload[key] = None if key == "hostProxyEmail" else []
    return quote(payload)
