"""The decision whether to send a message, and which message of a thread belongs to which row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.messages.decision import Decision, Step, decide_step, is_countable_look, match_messages
from hostaway_sync.model.messages import CommunicationType, Intent, IntentState, OutgoingMessage, ThreadMessage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
MESSAGE = OutgoingMessage(70001, 41, 51, CommunicationType.EMAIL, "The key is under the mat")
ME = "dock/1"


def row(state: str, *, key: str | None = None, minutes: float = 1, **fields: Any) -> Intent:
    """Return a row with the message's text, sent so many minutes ago."""
    moment = NOON - minutes * MINUTE
    intent = Intent(
        intent_id=1,
        message=replace(MESSAGE, key=key),
        body_hash=MESSAGE.body_hash,
        state=IntentState(state),
        attempt=1,
        owner="dock/2",
        after_message_id=100,
        message_id=None,
        proof=None,
        looks=0,
        looked_at=None,
        error=None,
        created_at=moment,
        sending_at=None if state == "pending" else moment,
        settled_at=None,
    )
    return replace(intent, **fields)


def step(
    *rows: Intent,
    key: str | None = None,
    again: bool = False,
    dead: tuple[int, ...] = (),
    message: OutgoingMessage = MESSAGE,
) -> Step:
    """Decide about a message when these rows are known."""
    of_key = next((one for one in rows if key is not None and one.message.key == key), None)
    wanted = replace(message, key=key)
    return decide_step(wanted, of_key, rows, owner=ME, dead=dead, now=NOON, again=again).step


def test_new_message_is_sent() -> None:
    """The ledger is empty."""
    assert decide_step(MESSAGE, None, [], owner=ME, dead=(), now=NOON, again=False) == Decision(Step.SEND)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("sent", Step.EARLIER),
        ("sending", Step.UNDER_WAY),
        ("pending", Step.UNDER_WAY),
        ("outcome_unknown", Step.UNSETTLED),
        ("failed", Step.TAKE_UP),
    ],
)
def test_idempotency_key_is_sent_once(state: str, found: Step) -> None:
    """However long ago, and also where the same words may be sent again."""
    assert step(row(state, key="k", minutes=9_999), key="k") is found
    assert step(row(state, key="k"), key="k", again=True) is found


def test_key_stands_for_one_text_to_one_guest() -> None:
    """White space does not count; another reservation is another guest."""
    known = row("failed", key="k")
    assert step(known, key="k", message=replace(MESSAGE, body=" The key is\nunder the mat\r\n")) is Step.TAKE_UP
    assert step(known, key="k", message=replace(MESSAGE, body="The key is in the box")) is Step.OTHER_TEXT
    assert step(known, key="k", message=replace(MESSAGE, reservation_id=42)) is Step.OTHER_TEXT


@pytest.mark.parametrize("key", [None, "new"])
@pytest.mark.parametrize("others", [None, "old"])
def test_same_words_are_not_sent_twice_in_ten_minutes(key: str | None, others: str | None) -> None:
    """Whatever their keys; later, or with `again`, they are sent."""
    assert step(row("sent", key=others, minutes=9.9), key=key) is Step.REPEATED
    assert step(row("sent", key=others, minutes=10), key=key) is Step.SEND
    assert step(row("sent", key=others), key=key, again=True) is Step.SEND


@pytest.mark.parametrize("key", [None, "new"])
@given(written=st.integers(0, 100_000), waited=st.integers(0, 100_000))
def test_ten_minutes_begin_when_the_request_left(key: str | None, written: int, waited: int) -> None:
    """Only where no request is known to have left, they begin when the message was stored."""
    # It may have waited for a worker, or for the morning: the guest reads it after it was sent.
    asked = NOON - timedelta(seconds=written)
    left = min(asked + timedelta(seconds=waited), NOON)
    for moment, sent in (
        (left, row("sent", created_at=asked, sending_at=left)),
        (asked, row("sent", created_at=asked, sending_at=None)),
    ):
        assert step(sent, key=key) is (Step.REPEATED if NOON - moment < 10 * MINUTE else Step.SEND)


def test_message_that_waited_counts_from_its_sending() -> None:
    """Stored last night, sent a minute ago: the same words now are a repetition."""
    assert step(row("sent", created_at=NOON - timedelta(hours=12), sending_at=NOON - MINUTE)) is Step.REPEATED


@pytest.mark.parametrize(("state", "found"), [("sending", Step.UNDER_WAY), ("outcome_unknown", Step.UNSETTLED)])
def test_open_intent_blocks_the_same_words(state: str, found: Step) -> None:
    """Whether the guest has these words is unknown, also after a day."""
    assert step(row(state, minutes=1_440), key="new") is found
    assert step(row(state, minutes=1_440), key="new", again=True) is Step.SEND


def test_unsent_row_is_sent_by_the_next_command() -> None:
    """Its process died before it sent, it failed, or our own commit was not confirmed."""
    assert step(row("pending"), dead=(1,)) is Step.TAKE_UP
    assert step(row("pending", owner=ME)) is Step.TAKE_UP
    assert step(row("failed")) is Step.TAKE_UP
    assert step(row("pending")) is Step.UNDER_WAY


def test_row_with_another_key_is_not_sent() -> None:
    """It will be sent with its own key, or count as a repetition then."""
    assert step(row("pending", key="k"), dead=(1,)) is Step.SEND
    assert step(row("failed"), key="k") is Step.SEND
    assert step(row("failed", key="k"), row("sent", intent_id=2), key="k") is Step.REPEATED


def said(number: int, text: str = MESSAGE.body, **fields: Any) -> ThreadMessage:
    """Return a message of ours."""
    return replace(ThreadMessage(number, 51, is_incoming=False, text=text), **fields)


@pytest.mark.parametrize(
    "other",
    [
        said(100),
        said(101, is_incoming=True),
        said(101, is_incoming=None),
        said(101, "The key is under the ma"),
        ThreadMessage(101, is_incoming=False),
    ],
)
def test_only_the_message_itself_settles_an_intent(other: ThreadMessage) -> None:
    """Not an earlier one, the guest's, one of an unknown side, or one with other words or none."""
    assert match_messages([row("outcome_unknown")], [other], set()) == {}
    assert match_messages([row("outcome_unknown", after_message_id=None)], [said(101)], set()) == {}


def test_one_message_settles_one_intent() -> None:
    """Two intents with the same words need two messages, the older first; a claimed message settles no other."""
    first, second = row("outcome_unknown"), row("outcome_unknown", intent_id=2, after_message_id=105)
    assert match_messages([first, second], [said(107), said(106)], set()) == {1: said(106), 2: said(107)}
    assert match_messages([first, second], [said(103)], set()) == {1: said(103)}
    assert match_messages([first], [said(101)], {101}) == {}


@given(st.lists(st.integers(90, 120), unique=True), st.lists(st.integers(90, 120), max_size=5), st.sets(st.integers()))
def test_no_message_settles_two_intents(numbers: list[int], fences: list[int], claimed: set[int]) -> None:
    """Neither does a claimed message settle one, nor an earlier one."""
    open_ = [row("outcome_unknown", intent_id=n, after_message_id=fence) for n, fence in enumerate(fences)]
    found = match_messages(open_, [said(number) for number in numbers], claimed)
    given_away = [one.message_id for one in found.values()]
    assert len(given_away) == len(set(given_away))
    assert claimed.isdisjoint(given_away)
    assert all(one.message_id > fences[number] for number, one in found.items())


def test_looks_count_half_a_minute_apart() -> None:
    """The first one after the request left; before a request none counts."""
    fresh = row("outcome_unknown", minutes=0)
    assert is_countable_look(fresh, NOON + SECOND)
    assert not is_countable_look(fresh, NOON)
    assert not is_countable_look(replace(fresh, sending_at=None), NOON)
    looked = replace(fresh, looked_at=NOON)
    assert not is_countable_look(looked, NOON + 29 * SECOND)
    assert is_countable_look(looked, NOON + 30 * SECOND)


def test_two_looks_without_a_match_need_a_person() -> None:
    """One look is too few, and a settled row needs none."""
    assert [row("outcome_unknown", looks=looks).waits_for_person for looks in range(3)] == [False, False, True]
    assert not row("sent", looks=2).waits_for_person


def test_queued_message_is_left_to_its_worker() -> None:
    """Unless the command must send at once: then it sends the row."""
    waiting = row("pending", key="k", is_queued=True, owner=None)
    for again in (False, True):
        assert step(waiting, key="k", dead=(1,), again=again) is Step.QUEUED
    assert step(waiting, dead=(1,)) is Step.QUEUED
    of_key = replace(MESSAGE, key="k")
    options: dict[str, Any] = {"owner": ME, "dead": (1,), "now": NOON, "again": False, "queued_too": True}
    assert decide_step(of_key, waiting, [waiting], **options) == Decision(Step.TAKE_UP, waiting)


@pytest.mark.parametrize(
    ("intent", "key", "body", "found"),
    [
        (row("failed", key="k"), "k", "other words", Step.OTHER_TEXT),
        (row("sent", key="k"), "k", MESSAGE.body, Step.EARLIER),
        (row("sent"), None, MESSAGE.body, Step.REPEATED),
        (row("outcome_unknown"), None, MESSAGE.body, Step.UNSETTLED),
        (row("failed"), None, MESSAGE.body, Step.TAKE_UP),
    ],
)
def test_decision_names_the_row_that_decided_it(intent: Intent, key: str | None, body: str, found: Step) -> None:
    """An operator learns which message it was, and when."""
    of_key = intent if key else None
    wanted = replace(MESSAGE, key=key, body=body)
    decision = decide_step(wanted, of_key, [intent], owner=ME, dead=(), now=NOON, again=False)
    assert decision == Decision(found, intent)
