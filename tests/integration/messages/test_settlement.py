from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.deliveries import deliver
from tests.support.messages import TEXT, THREAD, message_case

from hostaway_sync.errors import MessageRefused, MessageUnsettled
from hostaway_sync.messages.decision import Step
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import MessageCase
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def late(sync_env: Build) -> tuple[MessageCase, int]:
    """Return a guest with a sent message that is not in the thread yet, and its number."""
    case = message_case(sync_env)
    case.add_send_fault(faults.accepted_then(faults.bad_gateway()))
    case.env.sandbox.faults.add(faults.bad_gateway(503), route=THREAD, skip=1, times=5)
    sent = case.send(key="k").intent
    assert sent is not None
    assert case.ledger("state, looks") == [("outcome_unknown", 0)]
    case.env.sandbox.faults.clear()
    return case, sent.intent_id


def test_next_message_settles_the_open_ones_first(sync_env: Build) -> None:
    """It looks for them first, and sends its own text next."""
    guest, _ = late(sync_env)
    guest.send("Another thing")
    assert guest.ledger("state, proof") == [("sent", "thread"), ("sent", "answer")]
    assert guest.accepted == [TEXT, "Another thing"]


def test_next_sync_settles_open_messages(sync_env: Build) -> None:
    """It reads the marked thread anyway; a ledger without open messages costs no request."""
    guest, _ = late(sync_env)
    guest.mirror.sync.run(guest.env.account_id)
    assert guest.ledger("state, proof") == [("sent", "thread")]
    guest.mirror.sync.run(guest.env.account_id)
    guest.env.sandbox.forget()
    assert guest.mirror.sync.run(guest.env.account_id).api_calls <= 3
    assert guest.env.sandbox.calls[THREAD] == 0


def test_resolving_looks_for_one_message(sync_env: Build) -> None:
    """Once where it is found; else twice, with a wait between."""
    guest, number = late(sync_env)
    assert guest.mirror.messages.resolve(number).state == "sent"
    guest.add_send_fault(faults.bad_gateway())
    lost = guest.send("Lost words").intent
    assert lost is not None
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        guest.let_a_minute_pass()

    resolved = guest.mirror.messages.resolve(lost.intent_id, sleep=sleep)
    assert (resolved.state, resolved.looks) == ("outcome_unknown", 2)
    assert 25 < waits[0] <= 30


def test_person_settles_a_message_that_is_not_found(sync_env: Build) -> None:
    """Seen: it is sent. Not seen: it is looked for once more, and sent again on its own row."""
    case = message_case(sync_env)
    case.add_send_fault(faults.bad_gateway(), times=2)
    first, second = (case.send(words).intent for words in ("first", "second"))
    assert first is not None
    assert second is not None
    assert case.mirror.messages.confirm_sent(first.intent_id).state == "sent"
    with pytest.raises(MessageUnsettled):
        case.mirror.messages.confirm_unsent_and_resend(first.intent_id)
    assert case.mirror.messages.confirm_unsent_and_resend(second.intent_id).step is Step.TAKE_UP
    assert case.ledger("state, proof, attempt") == [("sent", "person", 1), ("sent", "answer", 2)]
    assert case.accepted == ["second"]
    with pytest.raises(MessageRefused, match="there is no message 99"):
        case.mirror.messages.confirm_sent(99)


def test_mistaken_person_sends_no_message_twice(sync_env: Build) -> None:
    """The person did not see the message, which is in the thread: it is found, and no request is made."""
    guest, number = late(sync_env)
    assert guest.mirror.messages.confirm_unsent_and_resend(number).step is Step.EARLIER
    assert (guest.ledger("state, proof"), guest.accepted) == ([("sent", "thread")], [TEXT])


def test_undelivered_message_is_reported(sync_env: Build, caplog: pytest.LogCaptureFixture) -> None:
    """A sync finds it `failed`, changes the ledger, and logs it without its text; status shows it."""
    case = message_case(sync_env)
    sent = case.send(key="k").intent
    assert sent is not None
    assert sent.message_id is not None
    case.env.sandbox.world.bounce(case.conversation_id, sent.message_id)
    case.mirror.sync.run(case.env.account_id)
    assert case.ledger("state, error") == [("failed", "The e-mail bounced")]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "The e-mail bounced" in warning
    assert "key" not in warning
    assert case.mirror.status.overview().accounts[0].messages.undelivered == 1
    assert case.send(key="k").step is Step.TAKE_UP
    assert case.accepted == [TEXT, TEXT]


def test_refresh_job_settles_threads_read_before_its_failure(sync_env: Build) -> None:
    """Of two bookings in a batch the second fails; the thread of the first still settles its message."""
    guest, _ = late(sync_env)
    env = guest.env
    other = max(env.truth("reservations"))
    assert other != guest.reservation_id
    for number in (guest.reservation_id, other):
        deliver(env.database, env.account_id, object_id=number)
    env.sandbox.faults.add(faults.bad_gateway(), path=rf"/reservations/{other}\b", times=None)
    with env.mirror(retry_attempts=1).jobs.start_worker(drain=True, concurrency=1) as working:
        working.wait()
    assert guest.ledger("state, proof") == [("sent", "thread")]
    assert sql.rows(env.database, "SELECT status FROM webhook_log ORDER BY created_at") == [("processed",), ("failed",)]


def test_refresh_job_settles_the_threads_it_reads(sync_env: Build) -> None:
    """A delivery makes the worker read the thread, where it finds the message."""
    guest, _ = late(sync_env)
    env = guest.env
    guest.mirror.jobs.enqueue_syncs()
    with guest.mirror.jobs.start_worker(drain=True) as worker:
        worker.wait()
    assert guest.ledger() == ["sent"]
    assert env.rows("messages") == env.truth("messages")
    assert guest.mirror.sync.refresh(env.account_id, Resource.CONVERSATIONS, guest.conversation_id).threads == 1
