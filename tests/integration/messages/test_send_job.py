"""Messages that wait for a worker: queued once, sent once, whoever dies meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.barrier import Barrier
from tests.support.deliveries import QUICK, until
from tests.support.messages import SEND, TEXT, THREAD, a_guest

from hostaway_sync.app.message_batches import PlacedMessage
from hostaway_sync.errors import MessageRefused
from hostaway_sync.messages.batch_file import BatchLine
from hostaway_sync.messages.decision import Step
from hostaway_sync.messages.send_job import LOOKED_FOR_AFTER
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults
from hostaway_sync.settings import RateLimit
from hostaway_sync.store import dead_letters, jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import Guest
    from tests.support.sync_env import Town

    from hostaway_sync.app.message_batches import BatchOutcome

    Build = Callable[..., Town]

# An attempt that fails has no other after it: what is due again would be done in the same breath.
ONE_ATTEMPT = JobRetryPolicy(ladder=(timedelta(hours=1),), snooze=timedelta(hours=1))


def line(guest: Guest, text: str = TEXT, key: str = "k", number: int = 1) -> BatchLine:
    """Give one line of a batch, to this guest."""
    return BatchLine(number, guest.reservation_id, text, key, None, None, None)


def queue(guest: Guest, *lines: BatchLine, **options: Any) -> list[BatchOutcome]:
    """Queue lines, and give what became of each; guests of the sandbox may have left long ago."""
    wanted: dict[str, Any] = {"yes": True, **options}
    return list(guest.mirror.batches.queue(lines or [line(guest)], **wanted))


def placed(outcomes: list[BatchOutcome]) -> list[PlacedMessage]:
    """Give what became of each line."""
    return [outcome.placed for outcome in outcomes]


def night(guest: Guest) -> str:
    """Give quiet hours that are on now, and for many hours more, where the guest stays."""
    (zone,) = guest.here.ask(
        "SELECT l.raw_payload->>'timeZoneName' FROM listings l JOIN reservations r ON r.listing_id = l.id"
        f" WHERE r.id = {guest.reservation_id}"
    )[0]
    (now,) = guest.here.ask("SELECT now()")[0]
    hour = now.astimezone(ZoneInfo(zone)).hour
    return f"{hour}-{(hour - 1) % 24}"


def test_a_batch_is_sent_once_however_often_it_is_handed_in(town: Build) -> None:
    """Queued with a job each and no text in the queue; handed in again before and after, nothing is sent twice."""
    guest = a_guest(town)
    lines = [line(guest, f"text {number}", f"k{number}", number) for number in range(3)]
    assert placed(queue(guest, *lines, dry_run=True)) == [PlacedMessage.QUEUED] * 3
    assert guest.ledger() == []
    assert placed(queue(guest, *lines)) == [PlacedMessage.QUEUED] * 3
    assert placed(queue(guest, *lines)) == [PlacedMessage.KNOWN] * 3
    assert guest.ledger("state, is_queued, attempt, owner") == [("pending", True, 0, None)] * 3
    ((arguments, count),) = guest.here.ask(
        "SELECT string_agg(args::text || queueing_lock, ''), count(*) FROM procrastinate_jobs"
    )
    assert (count, "text" in arguments) == (3, False)
    assert guest.tell("text 1", key="k1").step is Step.QUEUED
    guest.works()
    assert sorted(guest.heard) == ["text 0", "text 1", "text 2"]
    assert guest.ledger("state, proof, attempt") == [("sent", "answer", 1)] * 3
    assert placed(queue(guest, *lines)) == [PlacedMessage.KNOWN] * 3
    guest.works()
    assert len(guest.heard) == 3


def test_what_cannot_be_queued_is_refused_by_itself(town: Build) -> None:
    """Another text under a key, the same words, a stay that is off, no such guest: the others are queued."""
    guest = a_guest(town)
    guest.here.sandbox.world.cancel_reservation(guest.reservation_id)
    guest.mirror.sync(guest.here.account_id)
    nobody = BatchLine(4, 7, TEXT, "nobody", None, None, None)
    (off,) = queue(guest, yes=False)
    assert (off.placed, "--yes" in (off.why or "")) == (PlacedMessage.REFUSED, True)
    outcomes = queue(guest, line(guest), line(guest, "Other"), line(guest, key="l"), nobody)
    assert placed(outcomes) == [PlacedMessage.QUEUED, *[PlacedMessage.REFUSED] * 3]
    reasons = [outcome.why or "" for outcome in outcomes[1:]]
    for words, reason in zip(("another key", "--again", "no account"), reasons, strict=True):
        assert words in reason
    assert placed(queue(guest, line(guest, key="l"), again=True)) == [PlacedMessage.QUEUED]
    assert queue(guest, yes=False)[0].placed is PlacedMessage.KNOWN
    guest.works()
    assert guest.heard == [TEXT, TEXT]


def test_what_passes_is_tried_again_on_the_same_row(town: Build) -> None:
    """429 and a source that is away: the row waits on, with its reason, and is sent once the way is free."""
    guest = a_guest(town)
    queue(guest)
    guest.meets(faults.rate_limited())
    guest.works(policy=ONE_ATTEMPT)
    ((state, owner, error),) = guest.ledger("state, owner, error")
    assert (state, owner, "429" in error) == ("pending", None, True)
    guest.here.ask("DELETE FROM request_budget RETURNING 1")
    away = guest.here.mirror(api_url="http://127.0.0.1:9/v1", retry_attempts=1)
    guest.waits_no_more()
    with away.push.worker(drain=True, policy=ONE_ATTEMPT) as worker:
        worker.wait()
    assert guest.ledger("state, attempt") == [("pending", 2)]
    assert guest.here.ask("SELECT number FROM job_attempts") == [(1,)]
    guest.waits_no_more()
    guest.works()
    assert (guest.ledger("state, attempt, error"), guest.heard) == ([("sent", 3, None)], [TEXT])


def test_what_is_refused_for_good_stays_failed(town: Build) -> None:
    """No dead letter, no other attempt; the batch handed in again asks for one, unless a person took it back."""
    guest = a_guest(town)
    queue(guest, line(guest), line(guest, "Other", "l", 2))
    guest.meets(faults.status(400), times=None)
    guest.works()
    assert guest.ledger("state, proof") == [("failed", "answer")] * 2
    assert guest.here.ask("SELECT count(*) FROM dead_letters") == [(0,)]
    guest.here.sandbox.faults.clear()
    assert placed(queue(guest, line(guest), line(guest, "Other", "l", 2))) == [PlacedMessage.QUEUED] * 2
    guest.mirror.messages.cancel(guest.ledger("intent_id")[1])
    guest.works()
    assert placed(queue(guest, line(guest, "Other", "l", 2))) == [PlacedMessage.KNOWN]
    guest.works()
    assert guest.ledger("state, proof") == [("sent", "answer"), ("failed", "person")]
    assert guest.heard == [TEXT]
    with pytest.raises(MessageRefused, match="is sent"):
        guest.mirror.messages.cancel(guest.ledger("intent_id")[0])


def test_an_account_that_was_disabled_sends_nothing_of_its_queue(town: Build) -> None:
    """Its rows say why; enabled again, the batch handed in again is sent."""
    guest = a_guest(town)
    queue(guest)
    guest.mirror.roster.disable(guest.here.account_id)
    guest.works()
    assert guest.ledger("state, error") == [("failed", "account 70001 is disabled")]
    guest.mirror.roster.enable(guest.here.account_id)
    assert placed(queue(guest)) == [PlacedMessage.QUEUED]
    guest.works()
    assert guest.heard == [TEXT]


def test_a_dead_letter_is_retried_by_the_ledger(town: Build) -> None:
    """Attempts used up: the row waits with its dead letter; retried it is sent once, discarded it is given up."""
    guest = a_guest(town)
    never = JobRetryPolicy(ladder=())
    away = guest.here.mirror(api_url="http://127.0.0.1:9/v1", retry_attempts=1)
    queue(guest, line(guest), line(guest, "Other", "l", 2))
    with away.push.worker(drain=True, policy=never) as worker:
        worker.wait()
    first, second = guest.mirror.push.dead_letters()
    assert (first.kind, guest.ledger()) == ("send", ["pending", "pending"])
    guest.mirror.push.discard_dead_letter(second.dead_letter_id)
    dead_letters.retry(guest.here.database, first.dead_letter_id)
    guest.works()
    assert sorted(guest.ledger()) == ["failed", "sent"]
    assert len(guest.heard) == 1


@pytest.mark.parametrize("is_taken", [True, False])
def test_an_unknown_outcome_is_looked_for_and_then_waits(town: Build, *, is_taken: bool) -> None:
    """Never a second request: after half a minute, two and ten it is found, or left to a person."""
    guest = a_guest(town)
    queue(guest)
    guest.meets(faults.accepted_then(faults.bad_gateway()) if is_taken else faults.bad_gateway())
    guest.here.sandbox.faults.add(faults.bad_gateway(503), route=THREAD, skip=1, times=10)
    guest.works()
    assert guest.ledger() == ["outcome_unknown"]
    guest.here.sandbox.faults.clear()
    for wait in LOOKED_FOR_AFTER if not is_taken else LOOKED_FOR_AFTER[:1]:
        ((due_in,),) = guest.here.ask("SELECT scheduled_at - now() FROM procrastinate_jobs")
        assert wait - timedelta(seconds=25) < due_in <= wait
        guest.a_minute_passes()
        guest.waits_no_more()
        guest.works()
    assert guest.here.ask("SELECT count(*) FROM procrastinate_jobs") == [(0,)]
    assert guest.ledger() == ["sent" if is_taken else "outcome_unknown"]
    assert guest.mirror.status().accounts[0].letters.waiting == (not is_taken)
    assert guest.here.sandbox.calls[SEND] == 1
    assert len(guest.heard) == is_taken


def test_a_worker_that_stops_gives_back_what_has_not_left(town: Build) -> None:
    """Told to stop before the request, it sends nothing more; the next worker does, on the same row."""
    guest = a_guest(town)
    queue(guest)
    with Barrier(guest.here.sandbox, THREAD) as reading:
        with guest.mirror.push.worker(rhythm=QUICK) as worker:
            reading.wait()
            assert guest.mirror.status().accounts[0].letters.queued == 1
            worker.stop()
        reading.open.set()
        until(lambda: guest.ledger("owner") == [None], "it is given back")
    guest.waits_no_more()
    guest.works()
    assert (guest.ledger(), guest.heard) == (["sent"], [TEXT])


def test_quiet_hours_have_it_wait(town: Build) -> None:
    """The row says until when and nobody worries; a job that comes early waits on; when they are over it is sent."""
    guest = a_guest(town)
    hours = night(guest)
    sent = guest.tell(quiet_hours=hours)
    assert (sent.step, guest.heard) == (Step.SEND, [])
    ((waits, quiet),) = guest.ledger("not_before_at = (SELECT scheduled_at FROM procrastinate_jobs), quiet_hours")
    assert (waits, quiet.startswith(f"{hours} ")) == (True, True)
    assert guest.tell(quiet_hours=hours).step is Step.QUEUED
    guest.here.ask("UPDATE sent_messages SET created_at = created_at - interval '1 hour' RETURNING 1")
    letters = guest.mirror.status().accounts[0].letters
    assert (letters.queued, letters.resting, letters.unsent, letters.unsettled) == (1, 1, 0, 0)
    guest.waits_no_more()
    guest.works()
    assert guest.here.ask("SELECT scheduled_at > now() FROM procrastinate_jobs") == [(True,)]
    guest.here.ask("UPDATE sent_messages SET quiet_hours = NULL, not_before_at = now() RETURNING 1")
    guest.waits_no_more()
    guest.works()
    assert guest.heard == [TEXT]
    assert guest.mirror.status().accounts[0].letters.queued == 0


def test_whoever_cannot_wait_sends_it_now(town: Build) -> None:
    """By the settings it waits; `at_once` takes it from the queue, whose job finds nothing left to do."""
    guest = a_guest(town)
    mirror = guest.here.mirror(quiet_hours=night(guest))
    for at_once, step in ((False, Step.SEND), (True, Step.TAKE_UP)):
        with mirror.messages.draft(guest.reservation_id, TEXT, key="k", at_once=at_once) as draft:
            assert draft.send().step is step
    guest.waits_no_more()
    guest.works()
    assert guest.heard == [TEXT]
    guest.here.ask("UPDATE listings SET raw_payload = raw_payload - 'timeZoneName' RETURNING 1")
    with pytest.raises(MessageRefused, match="time zone"):
        guest.tell("Other", quiet_hours="22-8")
    assert guest.tell("Other", quiet_hours="22-8", at_once=True).step is Step.SEND


def test_workers_together_keep_to_what_the_source_takes(town: Build) -> None:
    """Three at once with a limit of two a minute: no more go out; when the minute is over, others do."""
    guest = a_guest(town, accounts=[AccountSpec(reservations=12)])
    limits = {"rate_limit_send": RateLimit(2, timedelta(minutes=1))}
    queue(guest, *(line(guest, f"text {number}", f"k{number}", number) for number in range(5)))
    slots = "SELECT cardinality(slots) FROM request_budget WHERE key = 'send:70001'"
    while (before := len(guest.heard)) < 3:
        mirrors = [guest.here.mirror(**limits) for _ in range(3)]
        with (
            mirrors[0].push.worker(rhythm=QUICK),
            mirrors[1].push.worker(rhythm=QUICK),
            mirrors[2].push.worker(rhythm=QUICK),
        ):
            until(lambda: (guest.here.ask(slots) or [(0,)])[0][0] > 2, "the next ones have asked")
            until(lambda: "sending" not in guest.ledger(), "the first ones have gone")
            assert len(guest.heard) - before <= 2
        until(lambda: set(guest.ledger("owner IS NULL OR state = 'sent'")) == {True}, "the rest is given back")
        guest.here.ask("DELETE FROM request_budget RETURNING 1")
        guest.waits_no_more()
    guest.works()
    assert sorted(guest.heard) == [f"text {number}" for number in range(5)]
    assert guest.here.ask("SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_a_job_is_what_its_row_is(town: Build) -> None:
    """One job a row waits; it is read back as it was written."""
    guest = a_guest(town)
    queue(guest)
    job = jobs.Job(guest.here.account_id, intent_id=guest.ledger("intent_id")[0], looks=2)
    assert jobs.Job.from_arguments(job.arguments()) == job
    guest.here.database.transaction(lambda connection: jobs.defer_again(connection, job))
    assert guest.here.ask("SELECT count(*), min(queue_name) FROM procrastinate_jobs") == [(1, "send")]
