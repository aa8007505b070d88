"""The jobs of automations: one that looks through the changes, and one for each automation that is told."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import StoreError
from hostaway_sync.store import jobs
from hostaway_sync.store.automations import deliveries, registry
from hostaway_sync.store.jobs import ALL_AUTOMATIONS, NO_ACCOUNT, Job
from hostaway_sync.store.tables import automations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from hostaway_sync.store.automations.states import Automation
    from hostaway_sync.store.postgres.database import Database

_ASK_AGAIN_S: Final = 5.0
DISPATCH_JOB: Final = Job(NO_ACCOUNT, automation_id=ALL_AUTOMATIONS)


def name_delivery_job(automation_id: int) -> Job:
    """Return the job that tells one automation of what waits for it."""
    return Job(NO_ACCOUNT, automation_id=automation_id)


class DispatchDeferral:
    """Has the changes looked through after a commit, if any automation is told of events.

    Where there is none, it asks once in some seconds, so that a first sync pays nothing for each of its pages. Whatever
    it misses, the worker's look of each minute finds, and the end of `sync-all`.

    Args:
        monotonic: seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._not_before = 0.0

    def __call__(self, database: Database) -> None:
        """Defer the job that looks through the changes; never raises an error of the database."""
        now = self._monotonic()
        if now < self._not_before:
            return
        defer = partial(jobs.defer_job_if, job=DISPATCH_JOB, condition=registry.IS_ANY_ACTIVE)
        with suppress(StoreError):
            if not database.attempt(defer, is_one_statement=True):
                self._not_before = now + _ASK_AGAIN_S


def defer_deliveries(connection: sa.Connection, automation_ids: Iterable[int]) -> None:
    """Have automations told of what waits for them now, but for those whose consumer is left alone for a while."""
    c = automations.c
    may_be_told = sa.or_(c.not_before_at.is_(None), c.not_before_at <= sa.func.clock_timestamp())
    wanted = sa.select(c.automation_id).where(c.automation_id.in_(list(automation_ids)), c.is_active, may_be_told)
    for automation_id in connection.scalars(wanted.order_by(c.automation_id)).all():
        jobs.defer_job(connection, name_delivery_job(automation_id))


def defer_again(connection: sa.Connection, job: Job, *, at: datetime | None) -> None:
    """Have a job done once more, at a time or now."""
    jobs.defer_retry(connection, job, at=at)


def defer_forgotten(database: Database) -> None:
    """Defer the jobs that are wanted and wait nowhere: those of changes and events whose job was lost."""

    def write(connection: sa.Connection) -> None:
        if not registry.has_active(connection):
            return
        known = set(connection.scalars(jobs.select_unfinished_keys()))
        if DISPATCH_JOB.key not in known:
            jobs.defer_job(connection, DISPATCH_JOB)
        for number in deliveries.find_forgotten(connection):
            job = name_delivery_job(number)
            if job.key not in known:
                moment = deliveries.find_next_moment(connection, number)
                automation = registry.find_automation(connection, number)
                jobs.defer_retry(connection, job, at=_latest(automation, moment))

    database.transaction(write)


def _latest(automation: Automation | None, moment: datetime | None) -> datetime | None:
    known = [one for one in (automation.not_before_at if automation else None, moment) if one is not None]
    return max(known, default=None)
