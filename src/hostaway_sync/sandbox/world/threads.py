"""Threads: the messages of a conversation, newest first or oldest first (API notes, 4.1 and 7.3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hostaway_sync.sandbox.rows.conversations import Conversation, seeded_conversation
from hostaway_sync.sandbox.rows.messages import Line, MessageRows, thread_lines
from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.seed.layout import IDS_PER_THREAD
from hostaway_sync.sandbox.seed.timestamps import parse_stamp

if TYPE_CHECKING:
    from hostaway_sync.sandbox.seed.layout import Layout
    from hostaway_sync.sandbox.switches import Switches

Payload = dict[str, Any]


class Entry(NamedTuple):
    """One message of a thread: what it is sorted and filtered by, and where its text comes from."""

    id: int
    date: int
    status: str
    source: Line | Payload | bytes


class Threads:
    """The messages of one account."""

    def __init__(self, account_id: int, layout: Layout, switches: Switches) -> None:
        self._layout = layout
        self._by_date = switches.thread_order == "date"
        self._rows = MessageRows(account_id, sent_key=switches.sent_key, attachments=switches.attachments)
        self._changed: dict[int, dict[int, Payload | bytes]] = {}
        self._deleted: set[int] = set()
        self.raw: dict[int, bytes] = {}

    def entries(self, conversation: Conversation) -> list[Entry]:
        """Return a thread, whatever the status of its messages, oldest id first."""
        changed = self._changed.get(conversation.id, {})
        found = {line.id: Entry(line.id, line.date, line.status, line) for line in self._seeded(conversation)}
        for number, source in changed.items():
            if isinstance(source, bytes):
                found[number] = Entry(number, 1 << 40, "sent", source)
            else:
                found[number] = Entry(number, parse_stamp(source["date"]) or 0, str(source["status"]), source)
        return [found[number] for number in sorted(found) if number not in self._deleted]

    def listed(self, conversation: Conversation, *, scheduled: bool) -> list[Entry]:
        """Return a thread as its list shows it: newest first, and only `sent` ones unless `scheduled`."""
        entries = [entry for entry in self.entries(conversation) if scheduled or entry.status == "sent"]
        if self._by_date:
            entries.sort(key=lambda entry: (entry.date, entry.id))
        entries.reverse()
        return entries

    def text(self, conversation: Conversation, entry: Entry) -> str | bytes:
        """Return the JSON text of one message."""
        if entry.id in self.raw:
            return self.raw[entry.id]
        if isinstance(entry.source, Line):
            return self._rows.write(conversation, entry.source)
        return entry.source if isinstance(entry.source, bytes) else quote(entry.source)

    def embedded(self, conversation: Conversation, *, all_messages: bool) -> str:
        """Return what a conversation embeds: its last *inserted* message, or all of them (API notes, 7.2)."""
        entries = [entry for entry in self.entries(conversation) if not isinstance(entry.source, bytes)]
        chosen = entries if all_messages else entries[-1:]
        texts = []
        for entry in chosen:
            source = entry.source
            texts.append(self._rows.write(conversation, source) if isinstance(source, Line) else quote(source))
        return ",".join(texts)

    def get(self, conversation: Conversation, message_id: int) -> Payload:
        """Return a message as an object that may be changed; KeyError when the thread has none of this id."""
        for entry in self.entries(conversation):
            if entry.id == message_id and not isinstance(entry.source, bytes):
                text = (
                    self._rows.write(conversation, entry.source)
                    if isinstance(entry.source, Line)
                    else quote(entry.source)
                )
                payload: Payload = json.loads(text)
                return payload
        raise KeyError(message_id)

    def compose(self, conversation: Conversation, line: Line) -> Payload:
        """Return a new message that looks like the seeded ones; it is not stored."""
        payload: Payload = json.loads(self._rows.write(conversation, line))
        return payload

    def put(self, conversation_id: int, message_id: int, source: Payload | bytes) -> None:
        """Store a message that is new or was changed."""
        self._changed.setdefault(conversation_id, {})[message_id] = source
        self._deleted.discard(message_id)

    def delete(self, message_id: int) -> None:
        """Delete a message of its thread."""
        self._deleted.add(message_id)

    def _seeded(self, conversation: Conversation) -> list[Line]:
        if conversation.place < 0:
            return []
        if conversation.changed:
            conversation = seeded_conversation(self._layout, conversation.place, conversation.id)
        number = conversation.id - self._layout.first.conversations
        return thread_lines(conversation, self._layout.first.messages + number * IDS_PER_THREAD, self._layout.start)
