"""Messages that wait for a worker: queued once and sent once, also where workers die."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sql
from tests.support.barrier import Barrier
from tests.support.deliveries import QUICK, eventually
from tests.support.messages import SEND, TEXT, THREAD, message_case, quiet_hours_now

from hostaway_sync.app.messages.batches import BatchLineState
from hostaway_sync.errors import MessageRefused
from hostaway_sync.messages.batch_file import BatchLine
from hostaway_sync.messages.decision import Step
from hostaway_sync.messages.send_job import LOOKED_FOR_AFTER
from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults
from hostaway_sync.settings import RateLimit
from hostaway_sync.store import dead_letters, jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.messages import MessageCase
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.messages.batches import BatchLineResult

    Build = Callable[..., SyncEnv]

# A failed attempt has no other after it: a job that is due again would be done at once.
ONE_ATTEMPT = JobRetryPolicy(ladder=(timedelta(hours=1),), snooze=timedelta(hours=1))


def line(case: MessageCase, text: str = TEXT, key: str = "k", number: int = 1) -> BatchLine:
    """Return one line of a batch, to this guest."""
    return BatchLine(number, MessageRequest(case.reservation_id, text, key=key))


def queue(case: MessageCase, *lines: BatchLine, **options: Any) -> list[BatchLineResult]:
    """Queue lines, and return the result of each; guests of the sandbox may have left long ago."""
    wanted: dict[str, Any] = {"yes": True, **options}
    return list(case.mirror.batches.queue(lines or [line(case)], **wanted))


def placed(outcomes: list[BatchLineResult]) -> list[BatchLineState]:
    """Return the result of each line."""
    return [outcome.state for outcome in outcomes]


def test_repeated_batch_is_sent_once(sync_env: Build) -> None:
    """Each message has a job without its text; the same batch before and after sends nothing more."""
    case = message_case(sync_env)
    lines = [line(case, f"text {number}", f"k{number}", number) for number in range(3)]
    assert placed(queue(case, *lines, dry_run=True)) == [BatchLineState.QUEUED] * 3
    assert case.ledger() == []
    assert placed(queue(case, *lines)) == [BatchLineState.QUEUED] * 3
    assert placed(queue(case, *lines)) == [BatchLineState.KNOWN] * 3
    assert case.ledger("state, is_queued, attempt, owner") == [("pending", True, 0, None)] * 3
    ((arguments, count),) = sql.rows(
        case.env.database, "SELECT string_agg(args::text || queueing_lock, ''), count(*) FROM procrastinate_jobs"
    )
    assert (count, "text" in arguments) == (3, False)
    assert case.send("text 1", key="k1").step is Step.QUEUED
    case.run_worker()
    assert sorted(case.accepted) == ["text 0", "text 1", "text 2"]
    assert case.ledger("state, proof, attempt") == [("sent", "answer", 1)] * 3
    assert placed(queue(case, *lines)) == [BatchLineState.KNOWN] * 3
    case.run_worker()
    assert len(case.accepted) == 3


def test_refused_line_does_not_stop_the_others(sync_env: Build) -> None:
    """Other text with a known key, the same words, a cancelled stay, an unknown guest: the rest is queued."""
    case = message_case(sync_env)
    case.env.sandbox.world.cancel_reservation(case.reservation_id)
    case.mirror.sync.run(case.env.account_id)
    nobody = BatchLine(4, MessageRequest(7, TEXT, key="nobody"))
    (off,) = queue(case, yes=False)
    assert (off.state, "--yes" in (off.why or "")) == (BatchLineState.REFUSED, True)
    outcomes = queue(case, line(case), line(case, "Other"), line(case, key="l"), nobody)
    assert placed(outcomes) == [BatchLineState.QUEUED, *[BatchLineState.REFUSED] * 3]
    reasons = [outcome.why or "" for outcome in outcomes[1:]]
    for words, reason in zip(("another key", "--again", "no account"), reasons, strict=True):
        assert words in reason
    assert placed(queue(case, line(case, key="l"), again=True)) == [BatchLineState.QUEUED]
    assert queue(case, yes=False)[0].state is BatchLineState.KNOWN
    case.run_worker()
    assert case.accepted == [TEXT, TEXT]


def test_temporary_failure_is_retried_on_the_same_row(sync_env: Build) -> None:
    """429 or no answer: the row waits with its reason, and is sent once the source answers."""
    case = message_case(sync_env)
    queue(case)
    case.add_send_fault(faults.rate_limited())
    case.run_worker(policy=ONE_ATTEMPT)
    ((state, owner, error),) = case.ledger("state, owner, error")
    assert (state, owner, "429" in error) == ("pending", None, True)
    sql.execute(case.env.database, "DELETE FROM request_budget")
    away = case.env.mirror(api_url="http://127.0.0.1:9/v1", retry_attempts=1)
    case.make_jobs_due()
    with away.jobs.start_worker(drain=True, policy=ONE_ATTEMPT) as worker:
        worker.wait()
    assert case.ledger("state, attempt") == [("pending", 2)]
    assert sql.rows(case.env.database, "SELECT number FROM job_attempts") == [(1,)]
    case.make_jobs_due()
    case.run_worker()
    assert (case.ledger("state, attempt, error"), case.accepted) == ([("sent", 3, None)], [TEXT])


def test_permanent_refusal_stays_failed(sync_env: Build) -> None:
    """No dead letter, no retry; the same batch sends it again, unless a person cancelled it."""
    case = message_case(sync_env)
    queue(case, line(case), line(case, "Other", "l", 2))
    case.add_send_fault(faults.status(400), times=None)
    case.run_worker()
    assert case.ledger("state, proof") == [("failed", "answer")] * 2
    assert sql.rows(case.env.database, "SELECT count(*) FROM dead_letters") == [(0,)]
    case.env.sandbox.faults.clear()
    assert placed(queue(case, line(case), line(case, "Other", "l", 2))) == [BatchLineState.QUEUED] * 2
    case.mirror.messages.cancel(case.ledger("intent_id")[1])
    case.run_worker()
    assert placed(queue(case, line(case, "Other", "l", 2))) == [BatchLineState.KNOWN]
    case.run_worker()
    assert case.ledger("state, proof") == [("sent", "answer"), ("failed", "person")]
    assert case.accepted == [TEXT]
    with pytest.raises(MessageRefused, match="is sent"):
        case.mirror.messages.cancel(case.ledger("intent_id")[0])


def test_disabled_account_sends_no_queued_message(sync_env: Build) -> None:
    """Its rows say why; enabled again, the same batch is sent."""
    case = message_case(sync_env)
    queue(case)
    case.mirror.accounts.disable(case.env.account_id)
    case.run_worker()
    assert case.ledger("state, error") == [("failed", "account 70001 is disabled")]
    case.mirror.accounts.enable(case.env.account_id)
    assert placed(queue(case)) == [BatchLineState.QUEUED]
    case.run_worker()
    assert case.accepted == [TEXT]


def test_dead_letter_keeps_its_message_pending(sync_env: Build) -> None:
    """Retried, the message is sent once; discarded, it is given up."""
    case = message_case(sync_env)
    never = JobRetryPolicy(ladder=())
    away = case.env.mirror(api_url="http://127.0.0.1:9/v1", retry_attempts=1)
    queue(case, line(case), line(case, "Other", "l", 2))
    with away.jobs.start_worker(drain=True, policy=never) as worker:
        worker.wait()
    first, second = case.mirror.jobs.list_dead_letters()
    assert (first.kind, case.ledger()) == ("send", ["pending", "pending"])
    case.mirror.jobs.discard_dead_letter(second.dead_letter_id)
    dead_letters.retry_dead_letter(case.env.database, first.dead_letter_id)
    case.run_worker()
    assert sorted(case.ledger()) == ["failed", "sent"]
    assert len(case.accepted) == 1


@pytest.mark.parametrize("is_taken", [True, False])
def test_unknown_outcome_is_looked_for_and_then_waits(sync_env: Build, *, is_taken: bool) -> None:
    """No second request: after half a minute, two and ten it is found, or left to a person."""
    case = message_case(sync_env)
    queue(case)
    case.add_send_fault(faults.accepted_then(faults.bad_gateway()) if is_taken else faults.bad_gateway())
    case.env.sandbox.faults.add(faults.bad_gateway(503), route=THREAD, skip=1, times=10)
    case.run_worker()
    assert case.ledger() == ["outcome_unknown"]
    case.env.sandbox.faults.clear()
    for wait in LOOKED_FOR_AFTER if not is_taken else LOOKED_FOR_AFTER[:1]:
        ((due_in,),) = sql.rows(case.env.database, "SELECT scheduled_at - now() FROM procrastinate_jobs")
        assert wait - timedelta(seconds=25) < due_in <= wait
        case.let_a_minute_pass()
        case.make_jobs_due()
        case.run_worker()
    assert sql.rows(case.env.database, "SELECT count(*) FROM procrastinate_jobs") == [(0,)]
    assert case.ledger() == ["sent" if is_taken else "outcome_unknown"]
    assert case.mirror.status.overview().accounts[0].messages.waiting_for_person == (not is_taken)
    assert case.env.sandbox.calls[SEND] == 1
    assert len(case.accepted) == is_taken


def test_stopping_worker_returns_unsent_messages(sync_env: Build) -> None:
    """Stopped before the request it sends nothing; the next worker sends the same row."""
    case = message_case(sync_env)
    queue(case)
    with Barrier(case.env.sandbox, THREAD) as reading:
        with case.mirror.jobs.start_worker(timings=QUICK) as worker:
            reading.wait()
            assert case.mirror.status.overview().accounts[0].messages.queued == 1
            worker.stop()
        reading.open.set()
        eventually(lambda: case.ledger("owner") == [None], "it is given back")
    case.make_jobs_due()
    case.run_worker()
    assert (case.ledger(), case.accepted) == (["sent"], [TEXT])


def test_message_waits_in_quiet_hours(sync_env: Build) -> None:
    """The row shows until when, and health stays good; a job that runs early waits on."""
    case = message_case(sync_env)
    hours = quiet_hours_now(case)
    sent = case.send(quiet_hours=hours)
    assert (sent.step, case.accepted) == (Step.SEND, [])
    ((waits, quiet),) = case.ledger("not_before_at = (SELECT scheduled_at FROM procrastinate_jobs), quiet_hours")
    assert (waits, quiet.startswith(f"{hours} ")) == (True, True)
    assert case.send(quiet_hours=hours).step is Step.QUEUED
    sql.execute(case.env.database, "UPDATE sent_messages SET created_at = created_at - interval '1 hour'")
    letters = case.mirror.status.overview().accounts[0].messages
    assert (letters.queued, letters.resting, letters.unsent, letters.unsettled) == (1, 1, 0, 0)
    case.make_jobs_due()
    case.run_worker()
    assert sql.rows(case.env.database, "SELECT scheduled_at > now() FROM procrastinate_jobs") == [(True,)]
    sql.execute(case.env.database, "UPDATE sent_messages SET quiet_hours = NULL, not_before_at = now()")
    case.make_jobs_due()
    case.run_worker()
    assert case.accepted == [TEXT]
    assert case.mirror.status.overview().accounts[0].messages.queued == 0


def test_at_once_sends_a_queued_message(sync_env: Build) -> None:
    """The settings make it wait; `at_once` sends it, and its job then has nothing to do."""
    case = message_case(sync_env)
    mirror = case.env.mirror(quiet_hours=quiet_hours_now(case))
    for at_once, step in ((False, Step.SEND), (True, Step.TAKE_UP)):
        with mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT, key="k", at_once=at_once)) as draft:
            assert draft.send().step is step
    case.make_jobs_due()
    case.run_worker()
    assert case.accepted == [TEXT]
    sql.execute(case.env.database, "UPDATE listings SET raw_payload = raw_payload - 'timeZoneName'")
    with pytest.raises(MessageRefused, match="time zone"):
        case.send("Other", quiet_hours="22-8")
    assert case.send("Other", quiet_hours="22-8", at_once=True).step is Step.SEND


def test_workers_together_keep_the_rate_limit(sync_env: Build) -> None:
    """Three workers with a limit of two a minute send two, and others after the minute."""
    case = message_case(sync_env, accounts=[AccountSpec(reservations=12)])
    limits = {"rate_limit_send": RateLimit(2, timedelta(minutes=1))}
    queue(case, *(line(case, f"text {number}", f"k{number}", number) for number in range(5)))
    slots = "SELECT cardinality(slots) FROM request_budget WHERE key = 'send:70001'"
    while (before := len(case.accepted)) < 3:
        mirrors = [case.env.mirror(**limits) for _ in range(3)]
        with (
            mirrors[0].jobs.start_worker(timings=QUICK),
            mirrors[1].jobs.start_worker(timings=QUICK),
            mirrors[2].jobs.start_worker(timings=QUICK),
        ):
            eventually(lambda: (sql.rows(case.env.database, slots) or [(0,)])[0][0] > 2, "the next ones have asked")
            eventually(lambda: "sending" not in case.ledger(), "the first ones have gone")
            assert len(case.accepted) - before <= 2
        eventually(lambda: set(case.ledger("owner IS NULL OR state = 'sent'")) == {True}, "the rest is given back")
        sql.execute(case.env.database, "DELETE FROM request_budget")
        case.make_jobs_due()
    case.run_worker()
    assert sorted(case.accepted) == [f"text {number}" for number in range(5)]
    assert sql.rows(case.env.database, "SELECT count(*) FROM procrastinate_jobs") == [(0,)]


def test_waiting_message_has_one_job(sync_env: Build) -> None:
    """Its arguments are read back as they were written."""
    case = message_case(sync_env)
    queue(case)
    job = jobs.Job(case.env.account_id, intent_id=case.ledger("intent_id")[0], looks=2)
    assert jobs.Job.from_arguments(job.to_arguments()) == job
    case.env.database.transaction(lambda connection: jobs.defer_retry(connection, job))
    assert sql.rows(case.env.database, "SELECT count(*), min(queue_name) FROM procrastinate_jobs") == [(1, "send")]
