"""Messages of seeded threads, oldest first, and their text (API notes, 5 and 7.3)."""

# ruff: noqa: PLR2004 - the numbers are odds
from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hostaway_sync.sandbox.rows.phrases import (
    ANSWERS,
    AUTOMATIONS,
    CHANNELS,
    FIRST_NAMES,
    QUESTIONS,
)
from hostaway_sync.sandbox.seed.layout import FIRST
from hostaway_sync.sandbox.seed.prng import mix
from hostaway_sync.sandbox.seed.timestamps import DAY, HOUR, stamp_text

if TYPE_CHECKING:
    from hostaway_sync.sandbox.rows.conversations import Conversation

LONG_THREAD: Final = 320
"""Messages in the one thread of a thousand that is long."""
_LAGS = (84, 113, 888, 2_325, *((11,) * 28))
"""Seconds by which a guest's message reaches Hostaway after its `date`."""
_MINUTE = 60


class Line(NamedTuple):
    """One seeded message; times are Unix seconds."""

    id: int
    incoming: bool
    automatic: bool
    status: str
    date: int
    inserted: int
    updated: int
    bits: int


def thread_lines(conversation: Conversation, first_id: int, start: int) -> list[Line]:
    """Return a seeded thread, oldest first; its newest two agree with the conversation's stamps."""
    bits = mix(conversation.bits)
    turns = _turns(conversation, bits)
    lines: list[Line] = []
    facts = conversation.facts
    if facts is None or not turns:
        return lines
    planned = facts.arrival * DAY + 15 * HOUR
    if conversation.kind == FIRST and bits & 3 == 0:
        waiting = "paused" if bits >> 2 & 7 == 0 else "awaiting"
        lines.append(_automation(first_id, planned, min(facts.inserted, turns[0][0]), waiting, start, bits))
    for moment, incoming in turns:
        bits = mix(bits)
        number = first_id + len(lines)
        newest = moment in (conversation.sent, conversation.received)
        if incoming:
            lines.append(Line(number, True, False, "sent", moment - _LAGS[bits & 31], moment, moment, bits))  # noqa: FBT003  (a row of values, in order)
        elif len(turns) == 1:
            late = moment + (6 + bits % 20) * _MINUTE
            lines.append(Line(number, False, True, "sent", moment, min(facts.inserted, moment), late, bits))  # noqa: FBT003  (a row of values, in order)
        else:
            status = "sent" if newest or bits & 31 > 1 else ("failed", "cancelled_by_user")[bits & 1]
            lines.append(Line(number, False, bits >> 5 & 3 == 0, status, moment, moment, moment + 1, bits))  # noqa: FBT003  (a row of values, in order)
    if bits >> 32 & 15 < 2 and conversation.answered:
        lines.append(_automation(first_id + len(lines), planned + DAY, lines[-1].inserted, "awaiting", start, bits))
    return lines


def _automation(number: int, planned: int, inserted: int, waiting: str, start: int, bits: int) -> Line:
    status = waiting if planned > start else "cancelled_by_system"
    return Line(number, False, True, status, planned, inserted, inserted, bits)  # noqa: FBT003  (a row of values, in order)


def _turns(conversation: Conversation, bits: int) -> list[tuple[int, bool]]:
    """Return (moment, from the guest?) of what was said, oldest first."""
    turns = [
        (moment, incoming)
        for moment, incoming in ((conversation.received, True), (conversation.sent, False))
        if moment is not None
    ]
    if not turns:
        return []
    turns.sort(reverse=True)
    wanted = LONG_THREAD if conversation.place % 1000 == 40 else 1 + (bits >> 20 & 3) + (bits >> 22 & 7)
    moment = turns[-1][0]
    while len(turns) < wanted:
        bits = mix(bits)
        moment -= _MINUTE + (bits & 0x7FFF)
        incoming = conversation.received is not None and (conversation.sent is None or bool(bits >> 20 & 1))
        turns.append((moment, incoming))
    turns.reverse()
    return turns


class MessageRows:
    """Writes the messages of one account."""

    def __init__(self, account_id: int, *, sent_key: str, attachments: str) -> None:
        self._account_id = account_id
        self._sent_key = sent_key
        self._attachments = attachments

    def write(self, conversation: Conversation, line: Line) -> str:
        """Return the JSON text of one message."""
        more = mix(line.bits)
        channel = CHANNELS[conversation.channel]
        airbnb = channel.id == 2018
        typed = not (line.incoming or line.automatic or line.bits & 3 == 0)
        return _TEMPLATE % (
            line.id, self._account_id, 7_001 if typed else "null",
            conversation.listing_id or "null",
            conversation.reservation_id or "null",
            channel.id if channel.bookable else "null", conversation.id,
            f'"{10_000_000_000 + more % 9_999_999_999}"' if airbnb else "null", _body(line, more),
            int(line.incoming), int(not line.incoming),
            f"Account #{self._account_id}" if typed else f"Automation #{more & 63}" if line.automatic else "system",
            int(typed or line.automatic), f"{more:016x}{line.bits:016x}", line.status, stamp_text(line.date),
            self._sent_key, f'"{stamp_text(line.updated)}"' if line.automatic and line.status == "sent" else "null",
            _SOURCES[0 if line.automatic else 1 if typed else 2 if airbnb else 3],
            "channel" if airbnb else "email", *(_BOUNCED if line.status == "failed" else _FINE),
            stamp_text(line.inserted), stamp_text(line.updated),
            _METADATA % (line.id, line.id, more & 0xFFFFFF, FIRST_NAMES[conversation.guest]) if airbnb else "null",
            self._attachments,
        )  # fmt: skip


_FINE = ("null", "null")
_BOUNCED = ('"550 mailbox"', '"The e-mail bounced"')
_SOURCES = ('"pre-generated"', '"Dashboard"', '"airbnbOfficial"', "null")
_METADATA = (
    '{"id":%s1,"conversationMessageId":%s,"airbnbUserId":%s,"userName":%s,'
    '"userPicture":"https:\\/\\/img.example\\/im\\/pictures\\/user\\/original.jpeg?aki_policy=profile_x_medium",'
    '"bookingStatus":null,"alterationId":null}'
)
_TEMPLATE = (
    '{"id":%s,"accountId":%s,"userId":%s,"listingMapId":%s,"reservationId":%s,"channelId":%s,"conversationId":%s,'
    '"communicationId":null,"airbnbThreadMessageId":null,"channelThreadMessageId":%s,"subject":null,"body":%s,'
    '"imagesUrls":null,"isIncoming":%s,"isSeen":%s,"isSeenBy":null,"isSeenAt":null,"originatedBy":"%s",'
    '"sentUsingHostaway":%s,"hash":"%s","objectKey":null,"listingTimeZoneName":"Europe\\/Oslo","communicationEvent":null,'
    '"communicationTimeDelta":null,"communicationTimeDeltaSeconds":0,"status":"%s","date":"%s","%s":%s,'
    '"sentToChannelAttemptDate":null,"messageSource":%s,"communicationType":"%s","reasonFailed":%s,'
    '"readableReasonFailed":%s,"isUniquePerCommunication":1,"isUniquePerCommunicationAndDate":null,"retryCount":0,'
    '"insertedOn":"%s","updatedOn":"%s","AirbnbOfficialMessageMetadata":%s,"attachments":%s,"conversationMessageNote":[],'
    '"conversationSnooze":[],"conversationArchive":[]}'
)


def _body(line: Line, more: int) -> str:
    if line.automatic:
        return AUTOMATIONS[more >> 3 & 3]
    phrases = QUESTIONS if line.incoming else ANSWERS
    words = [phrases[(more >> 4 * turn) % len(phrases)][1:-1] for turn in range(2 + (more >> 60 & 3))]
    return '"' + "\\n\\n".join(words) + '"'
