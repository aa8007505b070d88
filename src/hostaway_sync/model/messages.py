"""Values of guest messages: MessageRequest → OutgoingMessage → Intent → SendResult; and the platform's message API.

A `ThreadMessage` is a message as its thread shows it. The other two pipelines have their values in `records` and
`deliveries`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from hostaway_sync.errors import HostawaySyncError
    from hostaway_sync.model.records import Page

# A message that so many readings of its thread did not find waits for a person.
LOOKS_BEFORE_PERSON: Final = 2

_DAY_HOURS: Final = 24
_HOURS: Final = re.compile(r"\s*(\d{1,2})\s*-\s*(\d{1,2})\s*", re.ASCII)
_BREAK: Final = re.compile(r"<br\s*/?>|</(?:p|div)\s*>", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?(?:p|div|span)(?:\s[^<>]*)?>", re.IGNORECASE)


class IntentState(StrEnum):
    """The state of a guest message; `store.messages.ledger` shows the transitions."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    OUTCOME_UNKNOWN = "outcome_unknown"


class CommunicationType(StrEnum):
    """How a message reaches the guest."""

    EMAIL = "email"
    CHANNEL = "channel"
    SMS = "sms"
    WHATSAPP = "whatsapp"


class Proof(StrEnum):
    """What proves the outcome of an intent."""

    ANSWER = "answer"
    """The platform's answer to the request, or the fact that no request was sent."""
    THREAD = "thread"
    """The message itself, found in its thread."""
    PERSON = "person"
    """A person checked the thread and settled the intent."""


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """A message as a caller asks for it, before its guest is found.

    Attributes:
        reservation_id: the reservation whose guest is written to.
        text: the words.
        account_id: the account of the reservation; needed where several accounts have it, or none is known to.
        conversation_id: the thread; None: the one with the newest message.
        communication_type: how it reaches the guest; None: as the guest wrote last.
        key: the idempotency key; requests with the same key are one message.
        again: send the same words even if the guest got them within ten minutes.
        quiet_hours: local hours in which the message waits, as `22-8`; None: those of the settings.
        at_once: ignore quiet hours, and do not wait for a worker that is to send it.
    """

    reservation_id: int
    text: str = field(repr=False)
    account_id: int | None = None
    conversation_id: int | None = None
    communication_type: CommunicationType | None = None
    key: str | None = None
    again: bool = False
    quiet_hours: str | None = None
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send.

    Attributes:
        account_id: the account that sends it.
        reservation_id: the reservation whose guest receives it.
        conversation_id: the thread that it belongs to.
        communication_type: how it reaches the guest.
        body: the text.
        key: the idempotency key: two requests with the same key are one message; None: compare the text instead.
    """

    account_id: int
    reservation_id: int
    conversation_id: int
    communication_type: CommunicationType
    body: str = field(repr=False)
    key: str | None = None

    @property
    def body_hash(self) -> bytes:
        """SHA-256 of the normalized text; equal for texts of the same words."""
        return hash_text(self.body)


@dataclass(frozen=True, slots=True)
class Intent:
    """One row of the ledger of guest messages.

    Attributes:
        message: the message to send.
        body_hash: the message's `body_hash` when the row was written.
        state: the state of the message.
        attempt: the number of the current attempt, from 1.
        owner: the process that sends it, or sent it last.
        after_message_id: the highest message id in its thread before the request; None: no request was sent yet.
        message_id: the id of the sent message; unique among intents.
        proof: what proves the outcome; None while it is unknown.
        looks: how many readings of the thread did not find it, each at least half a minute after the last.
        looked_at: when the last of these readings took place.
        error: why it failed, or why its outcome is unknown.
        sending_at: when its last request was sent.
        settled_at: when its outcome became known.
        is_queued: a worker sends it, not the command.
        quiet_hours: local hours in which workers do not send it, with their time zone, as `22-8 Europe/Oslo`.
        not_before_at: workers do not send it before this time.
    """

    intent_id: int
    message: OutgoingMessage
    body_hash: bytes
    state: IntentState
    attempt: int
    owner: str | None
    after_message_id: int | None
    message_id: int | None
    proof: Proof | None
    looks: int
    looked_at: datetime | None
    error: str | None
    created_at: datetime
    sending_at: datetime | None
    settled_at: datetime | None
    is_queued: bool = False
    quiet_hours: str | None = None
    not_before_at: datetime | None = None

    @property
    def waits_for_person(self) -> bool:
        """Whether its outcome stayed unknown after all readings of its thread."""
        return self.state is IntentState.OUTCOME_UNKNOWN and self.looks >= LOOKS_BEFORE_PERSON


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """One message of a thread; an attribute is None if the platform does not tell it.

    Attributes:
        message_id: the platform's id.
        conversation_id: the thread.
        is_incoming: the guest wrote it.
        text: the text as the platform stores it.
        communication_type: how it reaches its recipient, in the platform's own word.
        failure: why it was not delivered; None: it was, or is on its way.
        is_automatic: an automation of the platform wrote it.
    """

    message_id: int
    conversation_id: int | None = None
    is_incoming: bool | None = None
    text: str | None = field(default=None, repr=False)
    communication_type: str | None = None
    failure: str | None = None
    is_automatic: bool = False


@dataclass(frozen=True, slots=True)
class SendResult:
    """The result of one request to send a message.

    Attributes:
        state: `sent`, `failed` (it was certainly not sent) or `outcome_unknown`.
        error: why it is not `sent`, as a sentence.
        page: the message as the platform stored it, a page of one record; only if it is `sent`.
        fault: the exception behind `error`; only if it is not `sent`.
    """

    state: IntentState
    error: str | None = None
    page: Page | None = None
    fault: HostawaySyncError | None = None


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours in which no message is sent, by the listing's clock; past midnight if `end` is the smaller one."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.begin}-{self.end}"

    def cover(self, hour: int) -> bool:
        """Whether an hour of the day is quiet."""
        if self.begin < self.end:
            return self.begin <= hour < self.end
        return hour >= self.begin or hour < self.end


def read_quiet_hours(text: str) -> QuietHours | None:
    """Return the quiet hours in a text such as `22-8`, or None if it does not hold two different hours of a day."""
    match = _HOURS.fullmatch(text)
    if match is None or max(int(match[1]), int(match[2])) > _DAY_HOURS:
        return None
    hours = QuietHours(int(match[1]) % _DAY_HOURS, int(match[2]) % _DAY_HOURS)
    return None if hours.begin == hours.end else hours


class MessageApi(Protocol):
    """The platform's API for the guest messages of one account."""

    def read_newest_page(self, conversation_id: int, *, why: str) -> Page:
        """Return the newest page of a thread, with one request.

        Raises:
            SourceError: the page could not be read, after the retries that its failure allows.
        """
        ...

    def send(self, message: OutgoingMessage, *, before_send: Callable[[], None]) -> SendResult:
        """Send a message with one request and no retry.

        `before_send` is called immediately before the request is sent; an exception from it prevents the request.
        """
        ...


def normalize_text(text: str) -> str:
    """Return a text in Unicode form NFC, with one space in place of any white space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def hash_text(text: str) -> bytes:
    """Return the SHA-256 of the normalized text; equal for texts of the same words."""
    return sha256(normalize_text(text).encode()).digest()


def text_variants(text: str) -> frozenset[str]:
    """Return the normalized text, and the normalized text that it shows as HTML.

    A platform may break lines, wrap a text in paragraphs and escape it; any other difference makes it another text.
    """
    return frozenset({normalize_text(text), normalize_text(strip_markup(text))}) - {""}


def strip_markup(text: str) -> str:
    """Return the text that a text shows as HTML."""
    return html.unescape(_MARKUP.sub("", _BREAK.sub("\n", text)))


def is_same_text(ours: str, theirs: str) -> bool:
    """Whether two texts have the same words."""
    return not text_variants(ours).isdisjoint(text_variants(theirs))
