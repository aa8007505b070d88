"""Failed attempts at jobs, one row each: Procrastinate stores no error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.jobs import SYNC
from hostaway_sync.store.tables import job_attempts, sent_messages, sync_runs, webhook_log

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.store.jobs import Job

DIED: Final = "the worker died, or lost the database, in the middle of it"
"""The error of an attempt whose worker died."""
_MAX_ERROR = 2_000
_MAX_TRACEBACK = 20_000


@dataclass(frozen=True, slots=True)
class RecordedAttempt:
    """A failed attempt; `traceback` is None where its worker died."""

    attempt_id: UUID
    started_at: datetime
    finished_at: datetime
    error: str
    traceback: str | None


def to_storable_text(text: str, longest: int = _MAX_ERROR) -> str:
    """Return a text that PostgreSQL can store, cut after `longest` characters."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")[:longest]


def to_storable_traceback(text: str) -> str:
    """Return a traceback that PostgreSQL can store, cut at its beginning: the error stands at the end."""
    return to_storable_text(text[-_MAX_TRACEBACK:], _MAX_TRACEBACK)


def record_attempt(connection: sa.Connection, job: Job, attempt: RecordedAttempt, *, next_at: datetime | None) -> None:
    """Store a failed attempt; storing it twice changes nothing."""
    values = {
        "attempt_id": attempt.attempt_id,
        "account_id": job.account_id,
        "job": job.key,
        "number": job.attempt,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "error": attempt.error,
        "traceback": attempt.traceback,
        "next_at": next_at,
    }
    connection.execute(insert(job_attempts).values(values).on_conflict_do_nothing())


def read_history(connection: sa.Connection, key: str, *, since: datetime) -> list[dict[str, Any]]:
    """Return the failed attempts at a job that started at `since` or later, oldest first, as JSON objects."""
    query = (
        sa.select(job_attempts.c.number, job_attempts.c.started_at, job_attempts.c.finished_at, job_attempts.c.error)
        .where(job_attempts.c.job == key, job_attempts.c.started_at >= since)
        .order_by(job_attempts.c.started_at)
    )
    return [
        {
            "number": row.number,
            "started_at": row.started_at.isoformat(),
            "finished_at": row.finished_at.isoformat(),
            "error": row.error,
        }
        for row in connection.execute(query)
    ]


def list_deaths(connection: sa.Connection, key: str, *, since: datetime) -> list[datetime]:
    """Return when the workers of a job died, oldest first: those after its last attempt that failed otherwise."""
    of_job = (job_attempts.c.job == key, job_attempts.c.started_at >= since)
    is_death = job_attempts.c.error == DIED
    last_failure = sa.select(sa.func.max(job_attempts.c.finished_at)).where(*of_job, ~is_death).scalar_subquery()
    is_later = sa.func.coalesce(job_attempts.c.finished_at > last_failure, sa.true())
    query = sa.select(job_attempts.c.finished_at).where(*of_job, is_death, is_later)
    return list(connection.scalars(query.order_by(job_attempts.c.finished_at)))


def did_others_succeed(connection: sa.Connection, job: Job, *, after: datetime, until: datetime) -> bool:
    """Return whether other work than this job succeeded in a span: a delivery, a message, a run."""
    is_own_delivery: sa.ColumnElement[bool] = sa.false()
    if job.target is not None:
        is_own_delivery = sa.and_(
            webhook_log.c.account_id == job.account_id,
            webhook_log.c.target_resource == job.target.resource.value,
            webhook_log.c.object_id == job.target.object_id,
        )
    is_own_run = sync_runs.c.account_id == job.account_id if job.kind == SYNC else sa.false()
    of_others = (
        (webhook_log.c.processed_at, webhook_log.c.status == "processed", is_own_delivery),
        (sent_messages.c.settled_at, sent_messages.c.state == "sent", sent_messages.c.intent_id == job.intent_id),
        (sync_runs.c.finished_at, sync_runs.c.state == "success", is_own_run),
    )
    found = [
        sa.exists().where(ended_at > after, ended_at <= until, is_success, is_own.is_not(sa.true()))
        for ended_at, is_success, is_own in of_others
    ]
    return bool(connection.scalar(sa.select(sa.or_(*found))))
