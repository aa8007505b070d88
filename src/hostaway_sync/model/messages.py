"""The values of messages to guests: MessageRequest → OutgoingMessage → Intent → SendResult; and who carries them.

A `ThreadMessage` is a message as its thread shows it. The values of the two pipes are in `records` and `deliveries`.
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

# Readings of a thread after which a message that is not in it waits for a person.
LOOKS_BEFORE_PERSON: Final = 2

_BREAK: Final = re.compile(r"<br\s*/?>|</(?:p|div)\s*>", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?(?:p|div|span)(?:\s[^<>]*)?>", re.IGNORECASE)


class IntentState(StrEnum):
    """What is known of a message that is to be sent; the arrows are in `store.ledger`."""

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
    """What says how an intent ended."""

    ANSWER = "answer"
    """The source's answer to the request, or that there was no request."""
    THREAD = "thread"
    """The message itself, found in its thread."""
    PERSON = "person"
    """Somebody has looked."""


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
    """What is to be said.

    Attributes:
        account_id: on whose behalf.
        reservation_id: to whose guest.
        conversation_id: in which thread.
        communication_type: how it reaches the guest.
        body: the words.
        key: two wishes with one key are one message; None: only the words tell.
    """

    account_id: int
    reservation_id: int
    conversation_id: int
    communication_type: CommunicationType
    body: str = field(repr=False)
    key: str | None = None

    @property
    def body_hash(self) -> bytes:
        """What two texts of the same words share."""
        return sha256(normalize_text(self.body).encode()).digest()


@dataclass(frozen=True, slots=True)
class Intent:
    """One row of the ledger.

    Attributes:
        message: what is to be said.
        body_hash: of the words when they were written down.
        state: what is known of it.
        attempt: how often it was taken up; 1 is the first.
        owner: the process that sends it, or did so last.
        after_message_id: the highest id that its thread had before the request; None: there was no request yet.
        message_id: the message it became, which no other intent can be.
        proof: what says how it ended; None while it has not.
        looks: how often its thread was read in vain, each time half a minute after the last.
        looked_at: the last of these readings.
        error: why it failed, or why its outcome is not known.
        sending_at: when its last request left.
        settled_at: when its end was known.
        is_queued: a worker is to send it.
        quiet_hours: local hours in which a worker does not, with their time zone, as `22-8 Europe/Oslo`.
        not_before_at: it waits until then.
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
        """Whether it was looked for often enough in vain."""
        return self.state is IntentState.OUTCOME_UNKNOWN and self.looks >= LOOKS_BEFORE_PERSON


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """What is known of one message in a thread; None of what the source does not say.

    Attributes:
        message_id: the source's id.
        conversation_id: its thread.
        is_incoming: the guest wrote it.
        text: the words, as the source keeps them.
        communication_type: how it reached, or reaches, its reader, in the source's own word.
        failure: why it never reached its reader; None: it did, or is on its way.
        is_automatic: the source wrote it by itself, by a plan.
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
    """What one request to send a message came to.

    Attributes:
        state: `sent`, `failed` (it surely was not sent) or `outcome_unknown`.
        error: why it is not `sent`.
        page: the message as the source made it, a page of one record; only when it is `sent`.
        fault: what it met where it is not `sent`.
    """

    state: IntentState
    error: str | None = None
    page: Page | None = None
    fault: HostawaySyncError | None = None


class MessageApi(Protocol):
    """Carries messages to the guests of one account."""

    def read_newest_page(self, conversation_id: int, *, why: str) -> Page:
        """Read the newest page of a thread, in one request.

        Raises:
            SourceError: it could not be had, after the retries it deserves.
        """
        ...

    def send(self, message: OutgoingMessage, *, before_send: Callable[[], None]) -> SendResult:
        """Ask the source once to send a message; nothing is tried again.

        `leaving` is called the instant before the request leaves; what that raises keeps it here.
        """
        ...


def normalize_text(text: str) -> str:
    """Give the words of a text: composed letters, one space between words, whatever stood there."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def text_variants(text: str) -> frozenset[str]:
    """Give the words of a text as it stands, and as they are read where it is HTML.

    A source may break lines anew, wrap a text in paragraphs and escape it: nothing else counts as the same.
    """
    plain = html.unescape(_MARKUP.sub("", _BREAK.sub("\n", text)))
    return frozenset({normalize_text(text), normalize_text(plain)}) - {""}


def is_same_text(ours: str, theirs: str) -> bool:
    """Say whether two texts have the same words."""
    return not text_variants(ours).isdisjoint(text_variants(theirs))
