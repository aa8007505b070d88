"""Decides what is done about a message, by the ledger; matches open intents to the messages of a thread. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.messages import IntentState, is_same_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from hostaway_sync.model.messages import Intent, OutgoingMessage, ThreadMessage

REPEAT_WITHIN: Final = timedelta(minutes=10)
LOOKS_APART: Final = timedelta(seconds=30)


class Step(StrEnum):
    """What is done about a message."""

    SEND = "send"
    TAKE_UP = "take_up"
    """Send, on the row of an attempt that certainly sent nothing."""
    EARLIER = "earlier"
    """Nothing: it was sent under this key."""
    REPEATED = "repeated"
    """Nothing: the guest got these words a moment ago."""
    QUEUED = "queued"
    """Nothing: it waits for a worker."""
    UNDER_WAY = "under_way"
    """Nothing: another process is sending it."""
    UNSETTLED = "unsettled"
    """Nothing: whether the guest got it is not known."""
    OTHER_TEXT = "other_text"
    """Nothing: the key stands for something else."""
    ENDED = "ended"
    """Nothing: it was withdrawn, or accepted and not delivered; only a person can ask for it again."""


SENDS: Final = frozenset({Step.SEND, Step.TAKE_UP})
"""The steps by which a text leaves, or is stored to leave later."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about a message, and the row that decides it; None where there is none."""

    step: Step
    intent: Intent | None = None


def decide_step(
    message: OutgoingMessage,
    of_key: Intent | None,
    same_text: Sequence[Intent],
    *,
    owner: str,
    dead: Collection[int],
    now: datetime,
    again: bool,
    queued_too: bool = False,
) -> Decision:
    """Decide what is done about a message.

    Args:
        message: what is to be sent.
        of_key: the row with its idempotency key.
        same_text: rows with the same words for the same guest.
        owner: the name of this process; a row of this name is one whose commit was not confirmed.
        dead: ids of rows whose process has died.
        now: the current time.
        again: the same words may be sent twice.
        queued_too: a row that waits for a worker may be taken up, too.
    """

    def is_free(intent: Intent) -> bool:
        if intent.state is IntentState.PENDING:
            if intent.is_queued and not queued_too:
                return False
            return intent.owner == owner or intent.intent_id in dead
        return intent.state is IntentState.FAILED

    if of_key is not None:
        if (of_key.body_hash, of_key.message.reservation_id) != (message.body_hash, message.reservation_id):
            return Decision(Step.OTHER_TEXT, of_key)
        if not is_free(of_key):
            return Decision(_step(of_key), of_key)
    others = [intent for intent in same_text if of_key is None or intent.intent_id != of_key.intent_id]
    if not again:
        for intent in others:
            if not is_free(intent) and _blocks_repeat(intent, now):
                step = _step(intent)
                return Decision(Step.REPEATED if step is Step.EARLIER else step, intent)
    keyless = (intent for intent in others if message.key is None and intent.message.key is None and is_free(intent))
    free = of_key or next(keyless, None)
    return Decision(Step.SEND) if free is None else Decision(Step.TAKE_UP, free)


def match_messages(
    unsettled: Iterable[Intent], in_thread: Iterable[ThreadMessage], claimed: Collection[int]
) -> dict[int, ThreadMessage]:
    """Return the message of each intent of a thread, by intent id; intents without one are left out.

    Args:
        unsettled: intents whose outcome is unknown, oldest first: of two with the same words the older goes first.
        in_thread: the messages of the thread.
        claimed: ids of messages that belong to an intent already.
    """
    free = sorted((one for one in in_thread if one.message_id not in claimed), key=lambda one: one.message_id)
    found: dict[int, ThreadMessage] = {}
    for intent in unsettled:
        for one in free:
            if _is_it(intent, one):
                found[intent.intent_id] = one
                free.remove(one)
                break
    return found


def is_countable_look(intent: Intent, at: datetime, *, apart: timedelta = LOOKS_APART) -> bool:
    """Whether a reading at this time counts: after the request left, and long enough after the last counted one."""
    last = intent.looked_at
    if last is not None:
        return at - last >= apart
    return intent.sending_at is not None and at > intent.sending_at


def _step(intent: Intent) -> Step:
    if intent.state is IntentState.SENT:
        return Step.EARLIER
    if intent.is_queued and intent.state is IntentState.PENDING:
        return Step.QUEUED
    return Step.UNSETTLED if intent.state is IntentState.OUTCOME_UNKNOWN else Step.UNDER_WAY


def _blocks_repeat(intent: Intent, now: datetime) -> bool:
    """Whether an intent keeps the same words from being sent: an open one always, a sent one for a while."""
    moment = intent.sending_at or intent.created_at
    return intent.state is not IntentState.SENT or now - moment < REPEAT_WITHIN


def _is_it(intent: Intent, message: ThreadMessage) -> bool:
    """Whether a message of the thread is the one that an intent asked for."""
    is_later = intent.after_message_id is not None and message.message_id > intent.after_message_id
    # An automation of the source may write the same words at the same time: its message is not ours.
    is_ours = message.is_incoming is False and not message.is_automatic
    return is_later and is_ours and is_same_text(intent.message.body, message.text or "")
