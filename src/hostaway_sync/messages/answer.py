"""What a program is answered that asks for a message, and asks again until it knows the outcome. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from hostaway_sync.messages.decision import SENDS, Step
from hostaway_sync.model.messages import IntentState, Proof, hash_text

if TYPE_CHECKING:
    from hostaway_sync.model.messages import Intent, MessageRequest


class AnswerKind(StrEnum):
    """What became of a request."""

    SENT = "sent"
    WAITING = "waiting"
    """It is queued, is being sent, or whether it was sent is not known."""
    FAILED = "failed"
    REPEATED = "repeated"
    """Nothing was done: another message has the same words for the same guest."""
    OTHER_MESSAGE = "other_message"
    """Nothing was done: the key belongs to another message."""


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """The answer to a program.

    Attributes:
        kind: what became of its request.
        intent: the row that decides it, as it stands now.
        is_replayed: an earlier request with the same key wrote the row.
        concerns: what a person would have been asked before it was sent, a sentence each.
    """

    kind: AnswerKind
    intent: Intent
    is_replayed: bool = False
    concerns: tuple[str, ...] = ()


def is_decided(intent: Intent) -> bool:
    """Whether a repeated request changes nothing of a message: it was sent, waits for a worker, or ended for good."""
    if intent.state is IntentState.PENDING:
        return intent.is_queued
    return intent.state is IntentState.SENT or is_ended(intent)


def is_ended(intent: Intent) -> bool:
    """Whether a message failed so that no program may send it again: a person withdrew it, or it was accepted."""
    was_judged = intent.proof is Proof.PERSON or intent.message_id is not None
    return intent.state is IntentState.FAILED and was_judged


def replay(request: MessageRequest, known: Intent) -> SendAnswer:
    """Return the answer to a request whose key has a row."""
    return SendAnswer(_kind_of(known), known, is_replayed=True) if is_same(request, known) else _of_other(known)


def answer_outcome(request: MessageRequest, step: Step, intent: Intent, concerns: tuple[str, ...]) -> SendAnswer:
    """Return the answer to a request that was decided.

    Args:
        request: what was asked for.
        step: what was decided.
        intent: the row that decided it, as it stands now.
        concerns: of `SendAnswer`.
    """
    if step in SENDS:
        return SendAnswer(_kind_of(intent), intent, concerns=concerns)
    if step is Step.OTHER_TEXT:
        return _of_other(intent)
    if step in {Step.EARLIER, Step.ENDED} or (request.key is not None and intent.message.key == request.key):
        return replay(request, intent)
    return SendAnswer(AnswerKind.REPEATED, intent)


def is_same(request: MessageRequest, intent: Intent) -> bool:
    """Whether a request asks for the message of a row; what it leaves open may be anything there."""
    of_row = intent.message
    return (
        (hash_text(request.text), request.reservation_id) == (intent.body_hash, of_row.reservation_id)
        and request.conversation_id in {None, of_row.conversation_id}
        and request.communication_type in {None, of_row.communication_type}
    )


def _of_other(intent: Intent) -> SendAnswer:
    return SendAnswer(AnswerKind.OTHER_MESSAGE, intent)


def _kind_of(intent: Intent) -> AnswerKind:
    if intent.state is IntentState.SENT:
        return AnswerKind.SENT
    return AnswerKind.FAILED if intent.state is IntentState.FAILED else AnswerKind.WAITING
