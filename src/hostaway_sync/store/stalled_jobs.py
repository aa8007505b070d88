"""Jobs whose worker died or lost the database: found one at a time, so that they can be deferred again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.store.jobs import DOING, DROPPED, LED_BY, Job
from hostaway_sync.store.tables.queue import job_events, jobs, workers
from hostaway_sync.store.time_marks import is_within

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class StalledJob:
    """A job that was started and that no worker works on any more.

    Attributes:
        row_id: id of its row, for `delete_jobs`.
        job: the work.
        started_at: when it was started; None: not known.
    """

    row_id: int
    job: Job
    started_at: datetime | None


def lock_stalled_job(connection: sa.Connection, kinds: Collection[str], *, silent_for: timedelta) -> StalledJob | None:
    """Lock and return a job whose worker dropped it or had no heartbeat for `silent_for`; None: there is none."""
    is_alive = sa.exists().where(workers.c.id == jobs.c.worker_id, is_within(workers.c.last_heartbeat, silent_for))
    leader = jobs.alias("leader")
    led_by = jobs.c.args[LED_BY].astext
    is_led = sa.or_(led_by.is_(None), sa.exists().where(leader.c.id == sa.cast(led_by, sa.BigInteger)))
    query = (
        sa.select(jobs.c.id, jobs.c.args)
        .where(sa.or_(sa.and_(DOING, sa.not_(sa.and_(is_alive, is_led))), DROPPED), jobs.c.task_name.in_(kinds))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    started = sa.select(sa.func.max(job_events.c.at)).where(
        job_events.c.job_id == row.id, job_events.c.type == sa.literal_column("'started'")
    )
    return StalledJob(row.id, Job.from_arguments(row.args), connection.scalar(started))
