"""Failed attempts at jobs, one row each: Procrastinate stores no error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.tables import job_attempts

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.store.jobs import Job

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
