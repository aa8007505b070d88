"""Other people, and the source itself, change a thread while the outcome of our message is unknown."""

from __future__ import annotations

import json
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING

import pytest
from tests.support.messages import SEND, TEXT, THREAD, message_case

from hostaway_sync.errors import UsageError
from hostaway_sync.messages.decision import Step
from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import MessageCase
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

WORDS = "Grüße  from the e\u0301cole\r\n <3 & 🗝️ - see https://example.com/a?b=1&c=2 \n"
# How a source may store a text that it was given, each with whether that is still recognised as ours.
KEPT: dict[str, tuple[Callable[[str], str], bool]] = {
    "CRLF": (lambda text: text.replace("\n", "\r\n"), True),
    "trimmed": (str.strip, True),
    "one line": (lambda text: " ".join(text.split()), True),
    "NFC": (lambda text: unicodedata.normalize("NFC", text), True),
    "NFD": (lambda text: unicodedata.normalize("NFD", text), True),
    "escaped": (escape, True),
    "entities": (lambda text: text.encode("ascii", "xmlcharrefreplace").decode(), True),
    "paragraphs": (lambda text: "".join(f"<p>{escape(line)}</p>" for line in text.split("\n")), True),
    "breaks": (lambda text: escape(text).replace("\n", "<br />"), True),
    "cut": (lambda text: text[:20], False),
    "without emoji": (lambda text: text.replace("🗝️", "??"), False),
    "with a link": (lambda text: text.replace("https://", "<a href='https://"), False),
    "longer": (lambda text: f"{text}\n-- \nSent with love", False),
}


def lose(case: MessageCase, text: str = TEXT, *, is_taken: bool = False) -> None:
    """Send a message whose outcome stays unknown."""
    lost = faults.bad_gateway()
    sandbox = case.env.sandbox
    sandbox.faults.add(faults.accepted_then(lost) if is_taken else lost, route=SEND)
    sandbox.faults.add(faults.bad_gateway(503), route=THREAD, skip=1, times=5)
    case.send(text)
    sandbox.faults.clear()
    assert case.ledger("state, looks") == [("outcome_unknown", 0)]


def settle(case: MessageCase) -> None:
    """Let two runs read the thread, a minute apart."""
    for _ in range(2):
        case.mirror.sync.run(case.env.account_id, full=True)
        case.let_a_minute_pass()


@pytest.mark.parametrize("manner", KEPT)
def test_reformatted_message_is_recognised(sync_env: Build, manner: str) -> None:
    """White space, HTML, entities, forms of Unicode: it is found. Other words: it waits for a person."""
    case = message_case(sync_env)
    change, is_known = KEPT[manner]
    lose(case, WORDS, is_taken=True)
    world = case.env.sandbox.world
    number = max(number for number, said in world.truth("messages") if said["conversationId"] == case.conversation_id)
    world.edit_message(case.conversation_id, number, change(WORDS))
    settle(case)
    assert case.ledger("state, looks > 1") == [("sent", False) if is_known else ("outcome_unknown", True)]
    assert case.send(WORDS).step is (Step.REPEATED if is_known else Step.UNSETTLED)
    assert case.accepted == [WORDS]


def test_same_words_of_others_settle_nothing(sync_env: Build) -> None:
    """A guest who repeats them, an automation, and the thread of another guest."""
    case = message_case(sync_env)
    world = case.env.sandbox.world
    planned = world.schedule_message(case.conversation_id, world.now, TEXT)
    lose(case)
    world.guest_message(case.conversation_id, TEXT)
    world.host_reply(case.conversation_id, TEXT, via="automation")
    world.schedule_message(case.conversation_id, world.now, TEXT)
    world.send_scheduled(case.conversation_id, planned)
    other = next(number for number, _ in world.truth("conversations") if number != case.conversation_id)
    world.host_reply(other, TEXT)
    settle(case)
    assert case.ledger("state, looks") == [("outcome_unknown", 2)]


def test_same_words_of_a_colleague_count_as_ours(sync_env: Build) -> None:
    """A known limit: the same text typed within minutes counts as ours; the guest still gets it once."""
    case = message_case(sync_env)
    lose(case)
    case.env.sandbox.world.host_reply(case.conversation_id, TEXT)
    settle(case)
    assert (case.ledger("state, proof"), case.accepted) == ([("sent", "thread")], [])


def test_message_beyond_the_newest_page_is_found_by_a_run(sync_env: Build) -> None:
    """A look reads one page only; a run reads the whole thread."""
    case = message_case(sync_env, switches=Switches(max_limit=20))
    lose(case, is_taken=True)
    for _ in range(30):
        case.env.sandbox.world.guest_message(case.conversation_id)
    (number,) = case.ledger("intent_id")
    case.mirror.messages.resolve(number, sleep=lambda _: case.let_a_minute_pass())
    assert case.ledger() == ["outcome_unknown"]
    case.mirror.sync.run(case.env.account_id)
    assert case.ledger("state, proof") == [("sent", "thread")]


def test_first_message_of_a_thread_is_found(sync_env: Build) -> None:
    """A thread that only seems empty sends nothing."""
    case = message_case(sync_env)
    env, world = case.env, case.env.sandbox.world
    env.sandbox.faults.add(faults.early_empty_page(), route=THREAD, times=5)
    case.send()
    assert (case.ledger(), env.sandbox.calls[SEND]) == (["failed"], 0)
    env.sandbox.faults.clear()
    for number, said in world.truth("messages"):
        if said["conversationId"] == case.conversation_id:
            world.delete_message(case.conversation_id, number)
    env.database.transaction(lambda c: c.exec_driver_sql("DELETE FROM hostaway.conversation_messages"))
    env.sandbox.faults.add(faults.accepted_then(faults.bad_gateway()), route=SEND)
    case.send()
    assert case.ledger("state, proof, after_message_id") == [("sent", "thread", 0)]
    assert case.accepted == [TEXT]


def test_message_with_a_lower_id_waits_for_a_person(sync_env: Build) -> None:
    """An id below those before it proves nothing, in the answer and in the thread."""
    case = message_case(sync_env)

    def lower(body: bytes) -> bytes:
        envelope = json.loads(body)
        return json.dumps(envelope | {"result": envelope["result"] | {"id": 5}}).encode()

    case.env.sandbox.faults.add(faults.rewrite(lower), route=SEND)
    case.env.sandbox.faults.add(faults.change_rows(lambda rows: rows[1:]), route=THREAD, skip=1, times=9)
    case.send()
    assert case.ledger("state, error") == [
        ("outcome_unknown", "the source answered with a message that was there before")
    ]
    assert case.send().step is Step.UNSETTLED


def test_answer_without_a_conversation_is_stored_by_a_run(sync_env: Build) -> None:
    """It has the message's id, so that the message was sent; the next reading of the thread stores it."""
    case = message_case(sync_env)

    def moved(body: bytes) -> bytes:
        envelope = json.loads(body)
        return json.dumps(envelope | {"result": envelope["result"] | {"conversationId": None}}).encode()

    case.env.sandbox.faults.add(faults.rewrite(moved), route=SEND)
    sent = case.send().intent
    assert sent is not None
    assert case.ledger("state, proof") == [("sent", "answer")]
    assert sent.message_id not in case.env.rows("messages")
    case.mirror.sync.run(case.env.account_id)
    assert sent.message_id in case.env.rows("messages")


def test_one_prepared_message_in_two_threads_is_sent_once(sync_env: Build) -> None:
    """Each sending has a name of its own, so that neither takes the other's row for its own."""
    case = message_case(sync_env)
    with (
        case.mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT)) as draft,
        ThreadPoolExecutor(4) as pool,
    ):
        steps = [done.result().step for done in [pool.submit(draft.send) for _ in range(4)]]
    assert steps.count(Step.SEND) == 1
    assert case.accepted == [TEXT]


def test_very_long_text_is_refused(sync_env: Build) -> None:
    """64 KB are no message: no request, no row."""
    case = message_case(sync_env)
    with pytest.raises(UsageError, match="65,536 characters"):
        case.send("x" * 65_536)
    assert (case.ledger(), case.env.sandbox.calls[THREAD]) == ([], 0)
