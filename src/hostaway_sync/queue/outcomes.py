"""Store how an attempt failed: the attempt, its deliveries, and the next job or dead letter, in one transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from hostaway_sync.observability.exception_text import describe_exception, format_traceback
from hostaway_sync.queue.retry_policy import Action, RetryDecision
from hostaway_sync.store import dead_letters, job_attempts, jobs
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.job_attempts import DIED, RecordedAttempt, to_storable_text, to_storable_traceback
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from hostaway_sync.queue.retry_policy import JobRetryPolicy
    from hostaway_sync.store.jobs import Job, StartedJob
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.stalled_jobs import StalledJob

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that raised `error` after `elapsed`."""

    error: Exception
    elapsed: timedelta
    attempt_id: UUID = field(default_factory=uuid4)


def record_failure(
    database: Database, job: Job, failure: FailedAttempt, policy: JobRetryPolicy, *, jitter: float
) -> RetryDecision | None:
    """Store that an attempt failed, and defer the next one or write a dead letter.

    Args:
        database: with the queue.
        job: the job that was attempted.
        failure: its error.
        policy: decides what follows.
        jitter: 0 to 1, drawn by the caller.

    Returns:
        The decision; None when nothing waits for this job any more.

    Raises:
        StoreUnavailable: nothing was stored; the job must not end.
    """

    def write(connection: sa.Connection) -> RetryDecision | None:
        finished_at = jobs.read_clock(connection)
        early = job.retry_at - finished_at if job.retry_at else timedelta(0)
        decision = policy.decide_after_error(failure.error, job.attempt, early=early, jitter=jitter)
        if job.account_id == jobs.NO_ACCOUNT:
            # What such a job works on is in tables of its own, with their own attempts: it is never given up.
            decision = RetryDecision(Action.SNOOZE, policy.snooze, is_counted=False)
        if decision.action is Action.SNOOZE:
            jobs.defer_retry(connection, job, at=finished_at + decision.delay)
            return decision
        attempt = RecordedAttempt(
            failure.attempt_id,
            finished_at - failure.elapsed,
            finished_at,
            to_storable_text(describe_exception(failure.error)),
            to_storable_traceback(format_traceback(failure.error)),
        )
        return _write(connection, job, attempt, decision)

    decision = database.transaction(write)
    if job.account_id == jobs.NO_ACCOUNT:
        log.warning("%s: tried again soon: %s", job.key, to_storable_text(describe_exception(failure.error)))
        return decision
    _log(job, decision, to_storable_text(describe_exception(failure.error)), made=job.attempt)
    return decision


def give_back_jobs(
    connection: sa.Connection,
    begun: Sequence[StartedJob],
    *,
    ending: Sequence[StartedJob],
    after: timedelta | None = None,
) -> None:
    """Defer begun jobs again without counting an attempt, and end the rows of those in `ending`."""
    if ending:
        jobs.delete_jobs(connection, [one.row_id for one in ending])
    at = jobs.read_clock(connection) + after if after else None
    # In the order of their keys: two transactions that do this at once cannot deadlock.
    for job in sorted((one.job for one in begun), key=lambda job: job.key):
        jobs.defer_retry(connection, job, at=at)


def rescue_job(connection: sa.Connection, stalled: StalledJob, policy: JobRetryPolicy, *, jitter: float) -> None:
    """End a job whose worker died: store the attempt, and defer the next one or write a dead letter."""
    finished_at = jobs.read_clock(connection)
    job = stalled.job
    if job.account_id == jobs.NO_ACCOUNT:
        wait = policy.find_wait_after_death(job.attempt)
        jobs.defer_retry(connection, replace(job, attempt=job.attempt + 1), at=finished_at + wait)
        jobs.delete_jobs(connection, [stalled.row_id])
        return
    before = job_attempts.list_deaths(connection, job.key, since=job.began_at) if job.began_at else []
    pairs = pairwise([*before, finished_at])
    others = [job_attempts.did_others_succeed(connection, job, after=one, until=next_one) for one, next_one in pairs]
    decision = policy.decide_after_death(others, jitter=jitter)
    attempt = RecordedAttempt(uuid4(), stalled.started_at or finished_at, finished_at, DIED, None)
    _log(job, _write(connection, job, attempt, decision), DIED, made=job.attempt + len(before))
    jobs.delete_jobs(connection, [stalled.row_id])


def _write(
    connection: sa.Connection, job: Job, attempt: RecordedAttempt, decision: RetryDecision
) -> RetryDecision | None:
    if not account_queries.account_exists(connection, job.account_id):
        return None
    if job.target is not None:
        waiting = inbox.record_failure(connection, job.account_id, job.target, attempt.error, until=attempt.started_at)
        if not waiting:
            return None
    began_at = job.began_at or attempt.started_at
    next_at = attempt.finished_at + decision.delay if decision.action is Action.RETRY else None
    job_attempts.record_attempt(connection, job, attempt, next_at=next_at)
    if decision.action is Action.DEAD:
        # Deliveries that came after the first attempt have not had all attempts.
        until = began_at if decision.is_exhausted else attempt.started_at
        dead_letters.add_dead_letter(connection, replace(job, began_at=began_at), attempt, until=until)
        return decision
    following = replace(job, attempt=job.attempt + decision.is_counted, retry_at=next_at, began_at=began_at)
    jobs.defer_retry(connection, following, at=next_at)
    return decision


def _log(job: Job, decision: RetryDecision | None, error: str, *, made: int) -> None:
    if decision is None:
        return
    if decision.action is Action.DEAD:
        log.error("%s: dead letter after %d attempts: %s", job.key, made, error)
    else:
        log.info("%s: tried again in %.0f s: %s", job.key, decision.delay.total_seconds(), error)
