"""One account as tests and the demo use it: messages, calendars, and rows that are corrupted on purpose."""

from __future__ import annotations

import json
from bisect import insort
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from hostaway_sync.sandbox.rows.messages import Line
from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import day_number, day_text, stamp_text
from hostaway_sync.sandbox.world.changes import WorldChanges
from hostaway_sync.sandbox.world.objects import kind_named

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from hostaway_sync.sandbox.rows.conversations import Conversation

Via = Literal["dashboard", "ota", "automation"]
_LAG = 11
_VIA: dict[Via, dict[str, Any]] = {
    "dashboard": {"messageSource": "Dashboard", "sentUsingHostaway": 1, "userId": 7_001},
    "ota": {"messageSource": "airbnbOfficial", "sentUsingHostaway": 0, "userId": None, "originatedBy": "system"},
    "automation": {
        "messageSource": "pre-generated",
        "sentUsingHostaway": 1,
        "userId": None,
        "originatedBy": "Automation #7",
    },
}


class World(WorldChanges):
    """One account; see `WorldChanges` for bookings and `WorldState` for its rows."""

    _next_raw = -1

    # Messages

    def guest_message(self, conversation_id: int, body: str | None = None, *, lag: int = _LAG) -> int:
        """Add a message of the guest: moves the reservation's stamps and `messageReceivedOn`.

        `lag` is by how many seconds the message's `date` lies before the moment Hostaway got it. Returns its id.
        """
        with self.lock:
            moment = self._tick()
            conversation = self.conversation(conversation_id)
            number = self._say(conversation, moment, moment - lag, body, incoming=True)
            self._put_conversation(replace(conversation, received=moment, unread=True))
            self._bump_reservation_of(conversation, moment)
            self.outbox.append(("message.received", number, conversation_id))
            return number

    def host_reply(
        self, conversation_id: int, body: str | None = None, *, via: Via = "dashboard", at: datetime | None = None
    ) -> int:
        """Add a message of the host: moves the reservation's stamps and `messageSentOn`; no webhook announces it.

        `at` is the message's `date` when that is not now (an automation's planned time, say). Returns its id.
        """
        with self.lock:
            moment = self._tick()
            conversation = self.conversation(conversation_id)
            date = moment if at is None else int(at.timestamp())
            number = self._say(conversation, moment, date, body, **_VIA[via])
            self._sent(conversation, date)
            self._bump_reservation_of(conversation, moment)
            return number

    def post_message(self, conversation_id: int, body: str, communication_type: str) -> int:
        """Store a message that the API was asked to send and return its id; a switch decides its status."""
        with self.lock:
            self.accepted.append((conversation_id, body))
            number = self.host_reply(conversation_id, _kept(body, self.switches.sent_body))
            changes = {"status": self.switches.sent_status, "communicationType": communication_type}
            conversation = self.conversation(conversation_id)
            self.threads.put(conversation_id, number, self.threads.get(conversation, number) | changes)
            return number

    def bounce(self, conversation_id: int, message_id: int, reason: str = "The e-mail bounced") -> None:
        """Let an accepted message fail later; a switch decides whether that moves the reservation."""
        changes = {"status": "failed", "reasonFailed": "550 mailbox", "readableReasonFailed": reason}
        self.edit_message(conversation_id, message_id, **changes)

    def schedule_message(self, conversation_id: int, planned: datetime, body: str | None = None) -> int:
        """Create a scheduled message (`awaiting`) and return its id; no other stamp moves."""
        with self.lock:
            conversation = self.conversation(conversation_id)
            date = int(planned.timestamp())
            return self._say(conversation, self._tick(), date, body, status="awaiting", **_VIA["automation"])

    def send_scheduled(self, conversation_id: int, message_id: int) -> None:
        """Set a scheduled message to `sent` under the same id, `date` and `insertedOn`; stamps move as by a reply."""
        with self.lock:
            moment = self._tick()
            conversation = self.conversation(conversation_id)
            payload = self.threads.get(conversation, message_id)
            changes = {"status": "sent", "updatedOn": stamp_text(moment), self.switches.sent_key: stamp_text(moment)}
            self._put_message(conversation_id, message_id, payload | changes)
            entry = next(entry for entry in self.threads.entries(conversation) if entry.id == message_id)
            self._sent(conversation, entry.date)
            self._bump_reservation_of(conversation, moment)

    def fail_message(self, conversation_id: int, body: str | None = None) -> int:
        """Add a message that failed and return its id; a switch decides whether that moves the reservation."""
        with self.lock:
            moment = self._tick()
            conversation = self.conversation(conversation_id)
            reasons: dict[str, Any] = {"reasonFailed": "550 mailbox", "readableReasonFailed": "The e-mail bounced"}
            number = self._say(conversation, moment, moment, body, status="failed", **reasons, **_VIA["dashboard"])
            if self.switches.failed_sends_bump:
                self._bump_reservation_of(conversation, moment)
            return number

    def edit_message(self, conversation_id: int, message_id: int, body: str | None = None, **fields: Any) -> None:  # noqa: ANN401  (whatever the API takes)
        """Change the text or payload keys of a message; a switch decides whether that moves the reservation."""
        with self.lock:
            moment = self._tick()
            conversation = self.conversation(conversation_id)
            payload = self.threads.get(conversation, message_id) | {"updatedOn": stamp_text(moment)} | fields
            if body is not None:
                payload["body"] = body
            self._put_message(conversation_id, message_id, payload)
            if self.switches.edits_bump:
                self._bump_reservation_of(conversation, moment)

    def delete_message(self, conversation_id: int, message_id: int) -> None:
        """Delete a message of a thread; no stamp moves."""
        with self.lock:
            self.threads.get(self.conversation(conversation_id), message_id)
            self.revision += 1
            self.threads.delete(message_id)

    def _say(
        self,
        conversation: Conversation,
        moment: int,
        date: int,
        body: str | None,
        *,
        incoming: bool = False,
        **fields: Any,  # noqa: ANN401  (whatever the API takes)
    ) -> int:
        number = self._next_message
        self._next_message += 1
        line = Line(number, incoming, False, "sent", date, moment, moment, mix(number))  # noqa: FBT003  (a row of values, in order)
        payload = self.threads.compose(conversation, line) | fields
        if body is not None:
            payload["body"] = body
        self._put_message(conversation.id, number, payload)
        return number

    def _put_message(self, conversation_id: int, message_id: int, payload: dict[str, Any]) -> None:
        self.revision += 1
        self.threads.put(conversation_id, message_id, payload)

    def _sent(self, conversation: Conversation, date: int) -> None:
        self._put_conversation(replace(conversation, sent=max(date, conversation.sent or 0), answered=True))

    # Calendars

    def calendar_texts(self, listing_id: int, first: int, last: int, *, resources: bool = False) -> list[str]:
        """Return days of a listing as JSON texts, both ends included; KeyError when it is not listed.

        Days count from 1970-01-01; `resources` embeds the stays that take them.
        """
        with self.lock:
            if not self.has_listing(listing_id):
                raise KeyError(listing_id)
            return self._calendars.texts(listing_id, first, last, self._stay_text if resources else None)

    def calendar_truth(
        self, listing_id: int, first: date, last: date, *, resources: bool = False
    ) -> list[dict[str, Any]]:
        """Return the payloads of a listing's days, both ends included, whatever the switches do to an answer."""
        texts = self.calendar_texts(listing_id, day_number(first), day_number(last), resources=resources)
        return [json.loads(text) for text in texts]

    def edit_days(self, listing_id: int, first: date, last: date, **keys: Any) -> None:  # noqa: ANN401  (whatever the API takes)
        """Write keys over days, both ends included, as an owner or a pricing tool does: no stamp moves.

        A day that a stay takes stays reserved; its `isAvailable` and `status` show when the stay is gone.
        """
        self._edit_days(listing_id, day_number(first), day_number(last), keys)

    def write_days(self, listing_id: int, first: int, last: int, keys: Mapping[str, Any]) -> None:
        """Write keys over days as the API was asked to; days count from 1970-01-01."""
        with self.lock:
            self.accepted_days.append((listing_id, day_text(first), day_text(last), dict(keys)))
            self._edit_days(listing_id, first, last, keys)

    def _edit_days(self, listing_id: int, first: int, last: int, keys: Mapping[str, Any]) -> None:
        with self.lock:
            if not self.has_listing(listing_id):
                raise KeyError(listing_id)
            self._tick()
            self._calendars.edit(listing_id, first, last, keys)

    def _stay_text(self, reservation_id: int) -> str:
        return quote(self.reservation(reservation_id))

    # All other kinds

    def objects(self, name: str, owner_id: int = 0) -> dict[int | str, Any]:
        """Return what is there of a kind of `KINDS`, by id or code, whatever the switches do to an answer.

        `owner_id` is the listing or reservation of kinds that belong to one; KeyError when it is not listed.
        """
        with self.lock:
            kind = kind_named(name)
            source = self.others.source(kind, owner_id)
            return {key: self.others.get(kind, source, key) for key in self.others.keys(kind, source)}

    def put_object(self, name: str, fields: Mapping[str, Any], owner_id: int = 0) -> int | str:
        """Add an object, or change keys of the one whose id is in `fields`; `updatedOn` moves where the kind has it.

        A new object looks like the first one of its kind but for `fields`; without an id it gets one. Of a map, the
        fields are codes and what they stand for. Tasks are announced, other kinds are not. Returns the key.
        """
        with self.lock:
            kind = kind_named(name)
            source = self.others.source(kind, owner_id)
            known = len(self.others.keys(kind, source))
            key = self.others.put(kind, source, fields, stamp_text(self._tick()))
            if name == "tasks" and isinstance(key, int):
                created = len(self.others.keys(kind, source)) > known
                self.outbox.append((f"task.{'created' if created else 'updated'}", key, 0))
            return key

    def delete_object(self, name: str, key: int | str, owner_id: int = 0) -> None:
        """Delete an object; KeyError when it is not there. An expense stays listed, with `isDeleted`."""
        with self.lock:
            kind = kind_named(name)
            self.others.delete(kind, self.others.source(kind, owner_id), key, stamp_text(self._tick()))

    # Corrupted rows

    def corrupt(self, resource: str, row_id: int, raw: bytes) -> None:
        """Let lists and single GETs return exactly `raw` for a row, which keeps its place; nothing else changes."""
        with self.lock:
            self.revision += 1
            (self.threads.raw if resource == "messages" else self._raw[resource])[row_id] = raw

    def heal(self, resource: str, row_id: int) -> None:
        """Undo `corrupt`."""
        with self.lock:
            self.revision += 1
            del (self.threads.raw if resource == "messages" else self._raw[resource])[row_id]

    def append_raw(self, resource: str, raw: bytes, *, conversation_id: int = 0, at: datetime | None = None) -> None:
        """Put a row of exactly these bytes into a list, at the clock's present or at `at`.

        `conversation_id` says which thread a message is put into. Listings have it first, threads last.
        """
        with self.lock:
            self.revision += 1
            number = self._next_raw
            self._next_raw -= 1
            moment = self._clock if at is None else int(at.timestamp())
            if resource == "messages":
                self.threads.put(conversation_id, number, raw)
                return
            self._raw[resource][number] = raw
            if resource == "listings":
                insort(self.listing_ids, number)
            else:
                order = self.reservation_order if resource == "reservations" else self.conversation_order
                order.place(number, moment)


def _kept(body: str, manner: str) -> str:
    """Return a sent text as this Hostaway stores it."""
    if manner == "plain":
        return body
    paragraphs = "".join(f"<p>{escape(line) or '&nbsp;'}</p>\r\n" for line in body.split("\n"))
    return paragraphs.replace("  ", " &nbsp;")
