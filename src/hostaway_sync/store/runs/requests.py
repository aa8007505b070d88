"""Syncs that are asked for one at a time: a second one of an account is refused until the first has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store import audit_log
from hostaway_sync.store.jobs import DOING, row_of
from hostaway_sync.store.tables.queue import jobs

if TYPE_CHECKING:
    from hostaway_sync.store.jobs import Job

_TODO = jobs.c.status == sa.literal_column("'todo'")


def request_sync(connection: sa.Connection, job: Job) -> tuple[int, bool]:
    """Defer a sync unless one of its account waits or is under way; return the job's number, and whether it is new.

    One that waits is made due at once.
    """
    mine = jobs.c.queueing_lock == job.key
    number = connection.scalar(sa.select(jobs.c.id).where(mine, DOING).order_by(jobs.c.id).limit(1))
    if number is None:
        new = insert(jobs).values(row_of(job))
        new = new.on_conflict_do_nothing(index_elements=[jobs.c.queueing_lock], index_where=_TODO)
        number = connection.scalar(new.returning(jobs.c.id))
        if number is not None:
            mode = "full" if job.full else "incremental"
            audit_log.note_caller(connection, job.account_id, {"sync": mode, "job": number})
            return number, True
        due = sa.update(jobs).where(mine, _TODO).values(scheduled_at=None)
        number = connection.scalar(due.returning(jobs.c.id))
    return number or 0, False
