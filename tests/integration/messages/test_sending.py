from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.barrier import Barrier
from tests.support.messages import SEND, TEXT, THREAD, message_case

from hostaway_sync.errors import AccountError, MessageRefused, UsageError
from hostaway_sync.messages.decision import Step
from hostaway_sync.model.messages import CommunicationType, MessageRequest
from hostaway_sync.sandbox import AccountSpec, Effect, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# Faults after which the message was certainly not sent, and may be sent again.
REFUSALS: dict[str, Effect] = {
    "400": faults.status(400, b'{"status":"fail","message":"body is required"}'),
    "401": faults.denied(401),
    "403": faults.denied(),
    "404": faults.status(404, b'{"status":"fail","message":"Resource not found"}'),
    "422": faults.status(422),
    "429": faults.rate_limited(),
}
# Faults after which the message may have been sent, and must not be sent again automatically.
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


def test_message_is_sent_once_and_stored_at_once(sync_env: Build) -> None:
    """Two requests, the unchanged text, the answer in the thread, and the ledger with its message id."""
    case = message_case(sync_env)
    sent = case.send()
    assert (sent.step, case.accepted) == (Step.SEND, [TEXT])
    assert sent.intent is not None
    assert sent.intent.message_id in case.env.rows("messages")
    assert case.ledger("state, proof, attempt, message_id > after_message_id, error") == [
        ("sent", "answer", 1, True, None)
    ]
    assert dict(case.env.sandbox.calls) == {THREAD: 1, SEND: 1}
    assert sql.rows(case.env.database, "SELECT key FROM request_budget WHERE key LIKE 'send:%'") == [("send:70001",)]
    case.mirror.sync.run(case.env.account_id, full=True)
    assert case.env.differences() == {}
    assert case.ledger() == ["sent"]


def test_message_takes_the_channel_of_the_last_guest_message(sync_env: Build) -> None:
    """A named type comes first; e-mail is used where the guest has not written yet."""
    case = message_case(sync_env)
    world = case.env.sandbox.world
    written = world.guest_message(case.conversation_id)
    world.edit_message(case.conversation_id, written, communicationType="whatsapp")
    case.mirror.sync.run(case.env.account_id)
    case.send("one")
    case.send("two", communication_type=CommunicationType.SMS)
    case.env.database.transaction(lambda c: c.exec_driver_sql("DELETE FROM hostaway.conversation_messages"))
    case.send("three")
    assert case.ledger("channel_type") == ["whatsapp", "sms", "email"]
    said = case.env.truth("messages")
    assert [said[number]["communicationType"] for number in case.ledger("message_id")] == ["whatsapp", "sms", "email"]


def test_guest_who_is_not_mirrored_is_read_and_stored(sync_env: Build) -> None:
    """With the account named, reservation and conversation are read from Hostaway."""
    env = sync_env()
    reservation_id = next(iter(env.truth("conversations").values()))["reservationId"]
    mirror = env.mirror()
    with (
        pytest.raises(MessageRefused, match="--account"),
        mirror.messages.prepare(MessageRequest(reservation_id, TEXT)),
    ):
        pass
    with mirror.messages.prepare(MessageRequest(reservation_id, TEXT, account_id=env.account_id)) as draft:
        draft.send()
    assert [text for _, text in env.sandbox.world.accepted] == [TEXT]
    assert list(env.rows("reservations")) == [reservation_id]
    with (
        pytest.raises(MessageRefused, match="has no reservation 5"),
        mirror.messages.prepare(MessageRequest(5, TEXT, account_id=70001)),
    ):
        pass


def test_ambiguous_or_unreachable_guest_is_refused(sync_env: Build) -> None:
    """A reservation id of two accounts needs --account; without a conversation no message can be sent."""
    env = sync_env(
        accounts=[AccountSpec(reservations=12), AccountSpec(id=70002, reservations=12, same_ids_as_first=True)]
    )
    mirror = env.mirror()
    assert [outcome.error for outcome in mirror.sync.run_all()] == [None, None]
    bookings, talks = env.truth("reservations"), env.truth("conversations").values()
    silent = next(number for number in bookings if number not in {talk["reservationId"] for talk in talks})
    with pytest.raises(UsageError, match="70001, 70002"), mirror.messages.prepare(MessageRequest(silent, TEXT)):
        pass
    with (
        pytest.raises(MessageRefused, match="no conversation"),
        mirror.messages.prepare(MessageRequest(silent, TEXT, account_id=env.account_id)),
    ):
        pass
    env.sandbox.world.delete_reservation(silent)
    with (
        pytest.raises(MessageRefused, match="any more"),
        mirror.messages.prepare(MessageRequest(silent, TEXT, account_id=70001)),
    ):
        pass
    assert env.sandbox.world.accepted == []


def test_account_disabled_before_the_request_sends_nothing(sync_env: Build) -> None:
    """The message has failed and says why."""
    case = message_case(sync_env)
    with Barrier(case.env.sandbox, THREAD) as reading, ThreadPoolExecutor(1) as pool:
        telling = pool.submit(case.send)
        reading.wait()
        case.mirror.accounts.disable(case.env.account_id)
        reading.open.set()
        with pytest.raises(AccountError, match="disabled"):
            telling.result(30)
    ((state, error),) = case.ledger("state, error")
    assert (state, case.accepted) == ("failed", [])
    assert "disabled" in error


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused_message_is_not_sent_and_can_be_repeated(sync_env: Build, refusal: str) -> None:
    """One request, `failed`; the same command sends it on the same row."""
    case = message_case(sync_env)
    case.add_send_fault(REFUSALS[refusal])
    case.send(key="k")
    assert (case.ledger("state, proof"), case.accepted) == ([("failed", "answer")], [])
    assert case.env.sandbox.calls[SEND] == 1
    assert case.env.sandbox.calls["POST /accessTokens"] == 0
    case.env.database.transaction(lambda c: c.exec_driver_sql("DELETE FROM hostaway.request_budget"))
    assert case.send(key="k").step is Step.TAKE_UP
    assert (case.ledger("state, attempt"), case.accepted) == ([("sent", 2)], [TEXT])


def test_unreachable_source_counts_as_a_refusal(sync_env: Build) -> None:
    """No request left this machine; without a key the same words find the same row."""
    case = message_case(sync_env)
    conversation_id = case.conversation_id
    mirror = case.env.mirror(api_url="http://127.0.0.1:9/v1", retry_attempts=1)
    with mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT)) as draft:
        failed = draft.send().intent
    assert failed is not None
    assert "cannot be reached" in (failed.error or "")
    case.send()
    assert (case.ledger("state, attempt"), case.accepted) == ([("sent", 2)], [TEXT])
    assert conversation_id == failed.message.conversation_id


@pytest.mark.parametrize("riddle", RIDDLES)
def test_message_without_a_clear_answer_is_never_resent(sync_env: Build, riddle: str) -> None:
    """The outcome stays unknown, however often it is looked for: not finding it proves nothing."""
    case = message_case(sync_env)
    case.add_send_fault(RIDDLES[riddle])
    case.send(key="k")
    assert case.ledger() == ["outcome_unknown"]
    assert case.send(key="k").step is Step.UNSETTLED
    assert case.send().step is Step.UNSETTLED
    case.let_a_minute_pass()
    case.mirror.sync.run(case.env.account_id)
    # Where the tests' machine is slow, the sends count as looks, too.
    assert case.ledger("state, looks >= 2") == [("outcome_unknown", True)]
    assert (case.env.sandbox.calls[SEND], case.accepted) == (1, [])
    assert case.mirror.status.overview().accounts[0].messages.waiting_for_person == 1


@pytest.mark.parametrize("answer", ["reset", "500", "200 with a failure", "200 with nothing", *TORN])
def test_message_with_a_failed_answer_is_found_in_its_thread(sync_env: Build, answer: str) -> None:
    """The source accepted it and then failed: one look settles it, and it is not sent twice."""
    case = message_case(sync_env, switches=Switches(sent_body="html"))
    case.add_send_fault(TORN[answer] if answer in TORN else faults.accepted_then(RIDDLES[answer]))
    case.send(key="k")
    assert case.ledger("state, proof, message_id > after_message_id") == [("sent", "thread", True)]
    assert case.send(key="k").step is Step.EARLIER
    assert case.send().step is Step.REPEATED
    assert case.accepted == [TEXT]


def test_same_words_within_ten_minutes_need_again(sync_env: Build) -> None:
    """Other white space is the same text; with --again it is sent twice; a key stands for one text."""
    case = message_case(sync_env)
    assert case.send(key="k").step is Step.SEND
    assert case.send(f" {TEXT}\n").step is Step.REPEATED
    assert case.send(key="other").step is Step.REPEATED
    assert case.send("Something else", key="k").step is Step.OTHER_TEXT
    assert case.send(again=True).step is Step.SEND
    assert case.accepted == [TEXT, TEXT]
    case.env.database.transaction(
        lambda c: c.exec_driver_sql("UPDATE hostaway.sent_messages SET sending_at = now() - interval '11 minutes'")
    )
    assert case.send().step is Step.SEND
    assert case.send(key="k").step is Step.EARLIER


def test_forbidden_message_makes_no_request(sync_env: Build) -> None:
    """No text, too long a text, or a guest who may not be written to: no request, no row."""
    case = message_case(sync_env)
    for text in ("", " \n\t", "x" * 10_001, "a\0b", "\ud800"):
        with pytest.raises(UsageError):
            case.send(text)
    with pytest.raises(MessageRefused, match="no conversation 5"):
        case.send(conversation_id=5)
    guarded = case.env.mirror(send_allowlist=frozenset({1}))
    with (
        pytest.raises(MessageRefused, match="ALLOWLIST"),
        guarded.messages.prepare(MessageRequest(case.reservation_id, TEXT)),
    ):
        pass
    case.mirror.accounts.disable(case.env.account_id)
    with pytest.raises(AccountError, match="disabled"):
        case.send()
    assert (case.ledger(), case.env.sandbox.calls[SEND]) == ([], 0)
