"""What others, and the source itself, may do to a thread while nobody knows whether our message arrived."""

from __future__ import annotations

import json
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING

import pytest
from tests.support.messages import SEND, TEXT, THREAD, a_guest

from hostaway_sync.errors import UsageError
from hostaway_sync.messages.decision import Step
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import Guest
    from tests.support.sync_env import Town

    Build = Callable[..., Town]

WORDS = "Grüße  from the e\u0301cole\r\n <3 & 🗝️ - see https://example.com/a?b=1&c=2 \n"
# How a source may keep what it was given, each with whether that is still known for ours.
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


def lose(guest: Guest, text: str = TEXT, *, is_taken: bool = False) -> None:
    """Send a message whose outcome nobody sees."""
    lost = faults.bad_gateway()
    sandbox = guest.here.sandbox
    sandbox.faults.add(faults.accepted_then(lost) if is_taken else lost, route=SEND)
    sandbox.faults.add(faults.bad_gateway(503), route=THREAD, skip=1, times=5)
    guest.tell(text)
    sandbox.faults.clear()
    assert guest.ledger("state, looks") == [("outcome_unknown", 0)]


def settle(guest: Guest) -> None:
    """Let two runs read what there is, a minute apart."""
    for _ in range(2):
        guest.mirror.sync(guest.here.account_id, full=True)
        guest.a_minute_passes()


@pytest.mark.parametrize("manner", KEPT)
def test_however_the_source_keeps_it_nothing_is_sent_twice(town: Build, manner: str) -> None:
    """White space, HTML, entities, Unicode's forms: it is found. Other words: it waits for a person."""
    guest = a_guest(town)
    change, is_known = KEPT[manner]
    lose(guest, WORDS, is_taken=True)
    world = guest.here.sandbox.world
    number = max(number for number, said in world.truth("messages") if said["conversationId"] == guest.conversation_id)
    world.edit_message(guest.conversation_id, number, change(WORDS))
    settle(guest)
    assert guest.ledger("state, looks > 1") == [("sent", False) if is_known else ("outcome_unknown", True)]
    assert guest.tell(WORDS).step is (Step.REPEATED if is_known else Step.UNSETTLED)
    assert guest.heard == [WORDS]


def test_the_same_words_of_others_are_not_ours(town: Build) -> None:
    """A guest who repeats them, an automation that says them, now or when its time comes, another guest's thread."""
    guest = a_guest(town)
    world = guest.here.sandbox.world
    planned = world.schedule_message(guest.conversation_id, world.now, TEXT)
    lose(guest)
    world.guest_message(guest.conversation_id, TEXT)
    world.host_reply(guest.conversation_id, TEXT, via="automation")
    world.schedule_message(guest.conversation_id, world.now, TEXT)
    world.send_scheduled(guest.conversation_id, planned)
    other = next(number for number, _ in world.truth("conversations") if number != guest.conversation_id)
    world.host_reply(other, TEXT)
    settle(guest)
    assert guest.ledger("state, looks") == [("outcome_unknown", 2)]


def test_a_colleague_with_the_same_words_cannot_be_told_from_us(town: Build) -> None:
    """Known limit: who types the very same within minutes is taken for us; the guest still hears it once, not twice."""
    guest = a_guest(town)
    lose(guest)
    guest.here.sandbox.world.host_reply(guest.conversation_id, TEXT)
    settle(guest)
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "thread")], [])


def test_a_message_beyond_the_newest_page_is_found_by_a_run(town: Build) -> None:
    """A look reads one page; a run reads the thread, so that it is found below what was said since."""
    guest = a_guest(town, switches=Switches(max_limit=20))
    lose(guest, is_taken=True)
    for _ in range(30):
        guest.here.sandbox.world.guest_message(guest.conversation_id)
    (number,) = guest.ledger("intent_id")
    guest.mirror.messages.resolve(number, sleep=lambda _: guest.a_minute_passes())
    assert guest.ledger() == ["outcome_unknown"]
    guest.mirror.sync(guest.here.account_id)
    assert guest.ledger("state, proof") == [("sent", "thread")]


def test_an_empty_thread_has_a_fence_too(town: Build) -> None:
    """The first message of a thread is found; a thread that only looks empty sends nothing."""
    guest = a_guest(town)
    here, world = guest.here, guest.here.sandbox.world
    here.sandbox.faults.add(faults.early_empty_page(), route=THREAD, times=5)
    guest.tell()
    assert (guest.ledger(), here.sandbox.calls[SEND]) == (["failed"], 0)
    here.sandbox.faults.clear()
    for number, said in world.truth("messages"):
        if said["conversationId"] == guest.conversation_id:
            world.delete_message(guest.conversation_id, number)
    here.database.transaction(lambda c: c.exec_driver_sql("DELETE FROM hostaway.conversation_messages"))
    here.sandbox.faults.add(faults.accepted_then(faults.bad_gateway()), route=SEND)
    guest.tell()
    assert guest.ledger("state, proof, after_message_id") == [("sent", "thread", 0)]
    assert guest.heard == [TEXT]


def test_ids_that_do_not_rise_wait_for_a_person(town: Build) -> None:
    """An id below those before it proves nothing, in the answer and in the thread."""
    guest = a_guest(town)

    def lower(body: bytes) -> bytes:
        envelope = json.loads(body)
        return json.dumps(envelope | {"result": envelope["result"] | {"id": 5}}).encode()

    guest.here.sandbox.faults.add(faults.rewrite(lower), route=SEND)
    guest.here.sandbox.faults.add(faults.change_rows(lambda rows: rows[1:]), route=THREAD, skip=1, times=9)
    guest.tell()
    assert guest.ledger("state, error") == [
        ("outcome_unknown", "the source answered with a message that was there before")
    ]
    assert guest.tell().step is Step.UNSETTLED


def test_an_answer_without_its_thread_is_sent_and_stored_by_a_run(town: Build) -> None:
    """It names the message, so that it was sent; where it belongs is what the next reading of the thread says."""
    guest = a_guest(town)

    def moved(body: bytes) -> bytes:
        envelope = json.loads(body)
        return json.dumps(envelope | {"result": envelope["result"] | {"conversationId": None}}).encode()

    guest.here.sandbox.faults.add(faults.rewrite(moved), route=SEND)
    sent = guest.tell().intent
    assert sent is not None
    assert guest.ledger("state, proof") == [("sent", "answer")]
    assert sent.message_id not in guest.here.rows("messages")
    guest.mirror.sync(guest.here.account_id)
    assert sent.message_id in guest.here.rows("messages")


def test_two_threads_with_one_draft_send_once(town: Build) -> None:
    """Each sending has a name of its own: neither takes the row of the other for one it had lost."""
    guest = a_guest(town)
    with guest.mirror.messages.draft(guest.reservation_id, TEXT) as draft, ThreadPoolExecutor(4) as pool:
        steps = [done.result().step for done in [pool.submit(draft.send) for _ in range(4)]]
    assert steps.count(Step.SEND) == 1
    assert guest.heard == [TEXT]


def test_a_file_that_was_piped_in_is_refused(town: Build) -> None:
    """64 KB are no message: nothing is asked, nothing is written down."""
    guest = a_guest(town)
    with pytest.raises(UsageError, match="65,536 characters"):
        guest.tell("x" * 65_536)
    assert (guest.ledger(), guest.here.sandbox.calls[THREAD]) == ([], 0)
