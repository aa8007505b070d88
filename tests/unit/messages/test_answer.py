"""What a program is answered that asks for a message again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hostaway_sync.messages.answer import AnswerKind, SendAnswer, answer_outcome, is_decided, replay
from hostaway_sync.messages.decision import Step
from hostaway_sync.model.messages import CommunicationType, Intent, IntentState, MessageRequest, OutgoingMessage, Proof

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MESSAGE = OutgoingMessage(70001, 41, 51, CommunicationType.EMAIL, "The key is under the mat", "k")
REQUEST = MessageRequest(41, " The key is\nunder the mat", 70001, key="k")


def row(state: IntentState, **fields: Any) -> Intent:
    """Return the row of the message."""
    named = (1, MESSAGE, MESSAGE.body_hash, state, 1, "dock/2", None, None, None, 0, None, None, NOON, None, None)
    return replace(Intent(*named), **fields)


@pytest.mark.parametrize(
    ("intent", "kind", "decided"),
    [
        (row(IntentState.SENT), AnswerKind.SENT, True),
        (row(IntentState.PENDING), AnswerKind.WAITING, False),
        (row(IntentState.PENDING, is_queued=True), AnswerKind.WAITING, True),
        (row(IntentState.SENDING), AnswerKind.WAITING, False),
        (row(IntentState.OUTCOME_UNKNOWN), AnswerKind.WAITING, False),
        (row(IntentState.OUTCOME_UNKNOWN, message_id=7), AnswerKind.WAITING, False),
        (row(IntentState.FAILED, proof=Proof.ANSWER), AnswerKind.FAILED, False),
        (row(IntentState.FAILED, proof=Proof.PERSON), AnswerKind.FAILED, True),
        (row(IntentState.FAILED, proof=Proof.ANSWER, message_id=7), AnswerKind.FAILED, True),
    ],
)
def test_a_row_of_the_key_is_told_as_it_stands(intent: Intent, kind: AnswerKind, *, decided: bool) -> None:
    """Only what certainly did not leave is tried again."""
    assert (replay(REQUEST, intent), is_decided(intent)) == (SendAnswer(kind, intent, is_replayed=True), decided)


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ({}, True),
        ({"conversation_id": 51, "communication_type": CommunicationType.EMAIL, "again": True}, True),
        ({"text": "The key is over the mat"}, False),
        ({"reservation_id": 42}, False),
        ({"conversation_id": 52}, False),
        ({"communication_type": CommunicationType.SMS}, False),
    ],
)
def test_a_key_stands_for_one_message(changed: dict[str, Any], *, is_same: bool) -> None:
    """What a request leaves open may be anything; what it names must be so."""
    answered = replay(replace(REQUEST, **changed), row(IntentState.SENT))
    assert answered.kind is (AnswerKind.SENT if is_same else AnswerKind.OTHER_MESSAGE)
    assert answered.is_replayed is is_same


@pytest.mark.parametrize(
    ("step", "key", "expected"),
    [
        (Step.SEND, "k", (AnswerKind.SENT, False, ("odd",))),
        (Step.TAKE_UP, "k", (AnswerKind.SENT, False, ("odd",))),
        (Step.EARLIER, "k", (AnswerKind.SENT, True, ())),
        (Step.ENDED, "k", (AnswerKind.SENT, True, ())),
        (Step.UNDER_WAY, "k", (AnswerKind.SENT, True, ())),
        (Step.UNDER_WAY, "other", (AnswerKind.REPEATED, False, ())),
        (Step.QUEUED, None, (AnswerKind.REPEATED, False, ())),
        (Step.REPEATED, "other", (AnswerKind.REPEATED, False, ())),
        (Step.OTHER_TEXT, "k", (AnswerKind.OTHER_MESSAGE, False, ())),
    ],
)
def test_another_message_with_the_same_words_refuses(step: Step, key: str | None, expected: object) -> None:
    """A row of the same key answers; of another one it stands in the way."""
    intent = row(IntentState.SENT)
    told = answer_outcome(replace(REQUEST, key=key), step, intent, ("odd",))
    assert (told.kind, told.is_replayed, told.concerns) == expected


def test_messages_without_keys_are_not_one() -> None:
    """Two keys that are missing do not name the same message."""
    intent = row(IntentState.SENDING, message=replace(MESSAGE, key=None))
    assert answer_outcome(replace(REQUEST, key=None), Step.UNDER_WAY, intent, ()).kind is AnswerKind.REPEATED
