from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.deliveries import deliver
from tests.support.messages import TEXT, THREAD, a_guest

from hostaway_sync.errors import MessageRefused, MessageUnsettled
from hostaway_sync.messages.decision import Step
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import Guest
    from tests.support.sync_env import Town

    Build = Callable[..., Town]


def late(town: Build) -> tuple[Guest, int]:
    """Give a guest to whom something was sent that nobody could see in the thread yet, and its number."""
    guest = a_guest(town)
    guest.meets(faults.accepted_then(faults.bad_gateway()))
    guest.here.sandbox.faults.add(faults.bad_gateway(503), route=THREAD, skip=1, times=5)
    sent = guest.tell(key="k").intent
    assert sent is not None
    assert guest.ledger("state, looks") == [("outcome_unknown", 0)]
    guest.here.sandbox.faults.clear()
    return guest, sent.intent_id


def test_the_next_message_settles_what_is_open_with_the_guest(town: Build) -> None:
    """It looks first, and then sends its own words."""
    guest, _ = late(town)
    guest.tell("Another thing")
    assert guest.ledger("state, proof") == [("sent", "thread"), ("sent", "answer")]
    assert guest.heard == [TEXT, "Another thing"]


def test_the_next_sync_settles_what_is_open(town: Build) -> None:
    """It reads the thread because it was marked, and asks nothing more; a settled ledger costs no request."""
    guest, _ = late(town)
    guest.mirror.sync(guest.here.account_id)
    assert guest.ledger("state, proof") == [("sent", "thread")]
    guest.mirror.sync(guest.here.account_id)
    guest.here.sandbox.forget()
    assert guest.mirror.sync(guest.here.account_id).api_calls <= 3
    assert guest.here.sandbox.calls[THREAD] == 0


def test_resolving_looks_for_one_message(town: Build) -> None:
    """Once where it is found; twice, with a wait between, where it is not."""
    guest, number = late(town)
    assert guest.mirror.messages.resolve(number).state == "sent"
    guest.meets(faults.bad_gateway())
    lost = guest.tell("Lost words").intent
    assert lost is not None
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        guest.a_minute_passes()

    resolved = guest.mirror.messages.resolve(lost.intent_id, sleep=sleep)
    assert (resolved.state, resolved.looks) == ("outcome_unknown", 2)
    assert 25 < waits[0] <= 30


def test_a_person_settles_what_cannot_be_found(town: Build) -> None:
    """Seen: it is sent. Not seen: it goes again on its own row, once more looked for before."""
    guest = a_guest(town)
    guest.meets(faults.bad_gateway(), times=2)
    first, second = (guest.tell(words).intent for words in ("first", "second"))
    assert first is not None
    assert second is not None
    assert guest.mirror.messages.checked_sent(first.intent_id).state == "sent"
    with pytest.raises(MessageUnsettled):
        guest.mirror.messages.checked_resend(first.intent_id)
    assert guest.mirror.messages.checked_resend(second.intent_id).step is Step.TAKE_UP
    assert guest.ledger("state, proof, attempt") == [("sent", "person", 1), ("sent", "answer", 2)]
    assert guest.heard == ["second"]
    with pytest.raises(MessageRefused, match="there is no message 99"):
        guest.mirror.messages.checked_sent(99)


def test_a_person_who_is_mistaken_sends_nothing_twice(town: Build) -> None:
    """They did not see it, and it is there: it is found, and nothing goes out."""
    guest, number = late(town)
    assert guest.mirror.messages.checked_resend(number).step is Step.EARLIER
    assert (guest.ledger("state, proof"), guest.heard) == ([("sent", "thread")], [TEXT])


def test_what_was_taken_and_not_delivered_is_reported(town: Build, caplog: pytest.LogCaptureFixture) -> None:
    """A sync that finds it `failed` changes the ledger, says so without a word of the text, and status shows it."""
    guest = a_guest(town)
    sent = guest.tell(key="k").intent
    assert sent is not None
    assert sent.message_id is not None
    guest.here.sandbox.world.bounce(guest.conversation_id, sent.message_id)
    guest.mirror.sync(guest.here.account_id)
    assert guest.ledger("state, error") == [("failed", "The e-mail bounced")]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "The e-mail bounced" in warning
    assert "key" not in warning
    assert guest.mirror.status().accounts[0].letters.undelivered == 1
    assert guest.tell(key="k").step is Step.TAKE_UP
    assert guest.heard == [TEXT, TEXT]


def test_a_handler_settles_what_it_read_before_it_failed(town: Build) -> None:
    """Of two bookings that are read together the second cannot be had; the thread of the first tells all the same."""
    guest, _ = late(town)
    here = guest.here
    other = max(here.truth("reservations"))
    assert other != guest.reservation_id
    for number in (guest.reservation_id, other):
        deliver(here.database, here.account_id, object_id=number)
    here.sandbox.faults.add(faults.bad_gateway(), path=rf"/reservations/{other}\b", times=None)
    with here.mirror(retry_attempts=1).push.worker(drain=True, concurrency=1) as working:
        working.wait()
    assert guest.ledger("state, proof") == [("sent", "thread")]
    assert here.ask("SELECT status FROM webhook_log ORDER BY created_at") == [("processed",), ("failed",)]


def test_a_handler_that_reads_a_thread_settles_too(town: Build) -> None:
    """The worker finds what is open when a delivery makes it read the thread."""
    guest, _ = late(town)
    here = guest.here
    guest.mirror.push.enqueue_syncs()
    with guest.mirror.push.worker(drain=True) as worker:
        worker.wait()
    assert guest.ledger() == ["sent"]
    assert here.rows("messages") == here.truth("messages")
    assert guest.mirror.refresh(here.account_id, Resource.CONVERSATIONS, guest.conversation_id).threads == 1
