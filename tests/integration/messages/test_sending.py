from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support.barrier import Barrier
from tests.support.messages import SEND, TEXT, THREAD, a_guest

from hostaway_sync.errors import AccountError, MessageRefused, UsageError
from hostaway_sync.messages.decision import Step
from hostaway_sync.model.messages import CommunicationType
from hostaway_sync.sandbox import AccountSpec, Effect, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    Build = Callable[..., Town]

# What surely was not sent, and may be sent again.
REFUSALS: dict[str, Effect] = {
    "400": faults.status(400, b'{"status":"fail","message":"body is required"}'),
    "401": faults.denied(401),
    "403": faults.denied(),
    "404": faults.status(404, b'{"status":"fail","message":"Resource not found"}'),
    "422": faults.status(422),
    "429": faults.rate_limited(),
}
# What says nothing about whether it was sent, and must not be sent again by itself.
RIDDLES: dict[str, Effect] = {
    "reset": faults.connection_reset(),
    "408": faults.status(408),
    "500": faults.status(500, b'{"status":"fail","message":"Something went wrong"}'),
    "502 with HTML": faults.bad_gateway(),
    "504": faults.bad_gateway(504),
    "200 with a failure": faults.fail_with_200("Something went wrong"),
    "200 with nothing": faults.status(200),
    "200 with HTML": faults.status(200, faults.HTML, content_type="text/html"),
    "200 with null": faults.status(200, b'{"status":"success","result":null}'),
    "302": faults.status(302, headers={"Location": "/elsewhere"}),
    "an old message": faults.status(200, b'{"status":"success","result":{"id":1,"isIncoming":0}}'),
    "the guest's": faults.status(200, b'{"status":"success","result":{"id":9000000000,"isIncoming":1}}'),
}
TORN: dict[str, Effect] = {"torn JSON": faults.torn_json(), "torn connection": faults.torn_connection()}


def test_a_message_is_sent_once_and_stored_at_once(town: Build) -> None:
    """Two requests, the text as it is, the answer in the thread, the ledger with its message."""
    guest = a_guest(town)
    sent = guest.tell()
    assert (sent.step, guest.heard) == (Step.SEND, [TEXT])
    assert sent.intent is not None
    assert sent.intent.message_id in guest.here.rows("messages")
    assert guest.ledger("state, proof, attempt, message_id > after_message_id, error") == [
        ("sent", "answer", 1, True, None)
    ]
    assert dict(guest.here.sandbox.calls) == {THREAD: 1, SEND: 1}
    assert guest.here.ask("SELECT key FROM request_budget WHERE key LIKE 'send:%'") == [("send:70001",)]
    guest.mirror.sync(guest.here.account_id, full=True)
    assert guest.here.differences() == {}
    assert guest.ledger() == ["sent"]


def test_it_goes_the_way_the_guest_wrote_last(town: Build) -> None:
    """Unless another way is named; by e-mail where the guest has not written yet."""
    guest = a_guest(town)
    world = guest.here.sandbox.world
    written = world.guest_message(guest.conversation_id)
    world.edit_message(guest.conversation_id, written, communicationType="whatsapp")
    guest.mirror.sync(guest.here.account_id)
    guest.tell("one")
    guest.tell("two", way=CommunicationType.SMS)
    guest.here.database.transaction(lambda c: c.exec_driver_sql("DELETE FROM hostaway.conversation_messages"))
    guest.tell("three")
    assert guest.ledger("channel_type") == ["whatsapp", "sms", "email"]
    said = guest.here.truth("messages")
    assert [said[number]["communicationType"] for number in guest.ledger("message_id")] == ["whatsapp", "sms", "email"]


def test_what_is_not_mirrored_yet_is_asked_for(town: Build) -> None:
    """A reservation and its conversation that no run has met: with the account named, both are found and stored."""
    here = town()
    reservation_id = next(iter(here.truth("conversations").values()))["reservationId"]
    mirror = here.mirror()
    with pytest.raises(MessageRefused, match="--account"), mirror.messages.draft(reservation_id, TEXT):
        pass
    with mirror.messages.draft(reservation_id, TEXT, account_id=here.account_id) as draft:
        draft.send()
    assert [text for _, text in here.sandbox.world.accepted] == [TEXT]
    assert list(here.rows("reservations")) == [reservation_id]
    with pytest.raises(MessageRefused, match="has no reservation 5"), mirror.messages.draft(5, TEXT, account_id=70001):
        pass


def test_a_guest_is_found_only_where_there_is_one(town: Build) -> None:
    """Two accounts with one number: it must be said which; without a conversation nobody can be written to."""
    here = town(accounts=[AccountSpec(reservations=12), AccountSpec(id=70002, reservations=12, same_ids_as_first=True)])
    mirror = here.mirror()
    assert [outcome.error for outcome in mirror.sync_all()] == [None, None]
    bookings, talks = here.truth("reservations"), here.truth("conversations").values()
    silent = next(number for number in bookings if number not in {talk["reservationId"] for talk in talks})
    with pytest.raises(UsageError, match="70001, 70002"), mirror.messages.draft(silent, TEXT):
        pass
    with (
        pytest.raises(MessageRefused, match="no conversation"),
        mirror.messages.draft(silent, TEXT, account_id=here.account_id),
    ):
        pass
    here.sandbox.world.delete_reservation(silent)
    with pytest.raises(MessageRefused, match="any more"), mirror.messages.draft(silent, TEXT, account_id=70001):
        pass
    assert here.sandbox.world.accepted == []


def test_an_account_that_is_disabled_meanwhile_sends_nothing(town: Build) -> None:
    """It failed before its request left, and says why."""
    guest = a_guest(town)
    with Barrier(guest.here.sandbox, THREAD) as reading, ThreadPoolExecutor(1) as pool:
        telling = pool.submit(guest.tell)
        reading.wait()
        guest.mirror.roster.disable(guest.here.account_id)
        reading.open.set()
        with pytest.raises(AccountError, match="disabled"):
            telling.result(30)
    ((state, error),) = guest.ledger("state, error")
    assert (state, guest.heard) == ("failed", [])
    assert "disabled" in error


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_sends_nothing_and_may_be_repeated(town: Build, refusal: str) -> None:
    """One request, `failed`; the same again is sent on the same row."""
    guest = a_guest(town)
    guest.meets(REFUSALS[refusal])
    guest.tell(key="k")
    assert (guest.ledger("state, proof"), guest.heard) == ([("failed", "answer")], [])
    assert guest.here.sandbox.calls[SEND] == 1
    assert guest.here.sandbox.calls["POST /accessTokens"] == 0
    guest.here.database.transaction(lambda c: c.exec_driver_sql("DELETE FROM hostaway.request_budget"))
    assert guest.tell(key="k").step is Step.TAKE_UP
    assert (guest.ledger("state, attempt"), guest.heard) == ([("sent", 2)], [TEXT])


def test_a_source_that_cannot_be_reached_is_a_refusal(town: Build) -> None:
    """Nothing left this machine; without a key the same words find the same row."""
    guest = a_guest(town)
    conversation_id = guest.conversation_id
    mirror = guest.here.mirror(api_url="http://127.0.0.1:9/v1", retry_attempts=1)
    with mirror.messages.draft(guest.reservation_id, TEXT) as draft:
        failed = draft.send().intent
    assert failed is not None
    assert "cannot be reached" in (failed.error or "")
    guest.tell()
    assert (guest.ledger("state, attempt"), guest.heard) == ([("sent", 2)], [TEXT])
    assert conversation_id == failed.wish.conversation_id


@pytest.mark.parametrize("riddle", RIDDLES)
def test_an_answer_that_proves_nothing_sends_nothing_again(town: Build, riddle: str) -> None:
    """Unknown it stays, however often it is asked for, looked for and synced: not to be found settles nothing."""
    guest = a_guest(town)
    guest.meets(RIDDLES[riddle])
    guest.tell(key="k")
    assert guest.ledger() == ["outcome_unknown"]
    assert guest.tell(key="k").step is Step.UNSETTLED
    assert guest.tell().step is Step.UNSETTLED
    guest.a_minute_passes()
    guest.mirror.sync(guest.here.account_id)
    assert guest.ledger("state, looks") == [("outcome_unknown", 2)]
    assert (guest.here.sandbox.calls[SEND], guest.heard) == (1, [])
    assert guest.mirror.status().accounts[0].letters.waiting == 1


@pytest.mark.parametrize("answer", ["reset", "500", "200 with a failure", "200 with nothing", *TORN])
def test_what_was_taken_is_found_in_its_thread(town: Build, answer: str) -> None:
    """The source took it and then failed: one look settles it, and nobody sends it twice."""
    guest = a_guest(town, switches=Switches(sent_body="html"))
    guest.meets(TORN[answer] if answer in TORN else faults.accepted_then(RIDDLES[answer]))
    guest.tell(key="k")
    assert guest.ledger("state, proof, message_id > after_message_id") == [("sent", "thread", True)]
    assert guest.tell(key="k").step is Step.EARLIER
    assert guest.tell().step is Step.REPEATED
    assert guest.heard == [TEXT]


def test_the_same_words_within_ten_minutes_need_a_word(town: Build) -> None:
    """Other white space is no other text; with --again it goes out twice; a key stands for one text."""
    guest = a_guest(town)
    assert guest.tell(key="k").step is Step.SEND
    assert guest.tell(f" {TEXT}\n").step is Step.REPEATED
    assert guest.tell(key="other").step is Step.REPEATED
    assert guest.tell("Something else", key="k").step is Step.OTHER_TEXT
    assert guest.tell(again=True).step is Step.SEND
    assert guest.heard == [TEXT, TEXT]
    guest.here.database.transaction(
        lambda c: c.exec_driver_sql("UPDATE hostaway.sent_messages SET sending_at = now() - interval '11 minutes'")
    )
    assert guest.tell().step is Step.SEND
    assert guest.tell(key="k").step is Step.EARLIER


def test_guard_rails_stand_before_everything(town: Build) -> None:
    """No text, too much of it, a guest that may not be written to: nothing is asked and nothing written."""
    guest = a_guest(town)
    for text in ("", " \n\t", "x" * 10_001, "a\0b", "\ud800"):
        with pytest.raises(UsageError):
            guest.tell(text)
    with pytest.raises(MessageRefused, match="no conversation 5"):
        guest.tell(conversation_id=5)
    guarded = guest.here.mirror(send_allowlist=frozenset({1}))
    with pytest.raises(MessageRefused, match="ALLOWLIST"), guarded.messages.draft(guest.reservation_id, TEXT):
        pass
    guest.mirror.roster.disable(guest.here.account_id)
    with pytest.raises(AccountError, match="disabled"):
        guest.tell()
    assert (guest.ledger(), guest.here.sandbox.calls[SEND]) == ([], 0)
