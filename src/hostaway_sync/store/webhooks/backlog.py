"""Counts the deliveries, dead letters and jobs that wait, by account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from hostaway_sync.model.status import DeferredWork
from hostaway_sync.store.tables import dead_letters, webhook_log
from hostaway_sync.store.tables.queue import job_events, jobs, workers
from hostaway_sync.store.time_marks import cap_at_now, is_within
from hostaway_sync.store.webhooks.inbox import FAILED, PENDING

# Constants, not parameters: only then the planner can use the partial index of waiting deliveries.
_WAITS = webhook_log.c.status.in_([sa.literal_column(f"'{PENDING}'"), sa.literal_column(f"'{FAILED}'")])
# Six heartbeats: a busy worker may be late with one.
_SILENT_WORKER: Final = timedelta(minutes=1)
_TODO = jobs.c.status == sa.literal_column("'todo'")


def select_living_workers() -> sa.Select[int]:
    """Return the query that counts the workers with a recent heartbeat."""
    return sa.select(sa.func.count()).select_from(workers).where(is_within(workers.c.last_heartbeat, _SILENT_WORKER))


def find_backlog(connection: sa.Connection, account_id: int | None) -> dict[int, DeferredWork]:
    """Return the backlog of one account, or of all, in three statements; an account without any has no entry."""
    found: dict[int, DeferredWork] = {}
    waiting = sa.select(
        webhook_log.c.account_id, sa.func.count(), sa.func.min(cap_at_now(webhook_log.c.created_at))
    ).where(_WAITS)
    for number, deliveries, oldest_at in connection.execute(_grouped(waiting, webhook_log.c.account_id, account_id)):
        found[number] = DeferredWork(deliveries, oldest_at)
    letters = sa.select(dead_letters.c.account_id, sa.func.count()).where(dead_letters.c.resolved_at.is_(None))
    for number, count in connection.execute(_grouped(letters, dead_letters.c.account_id, account_id)):
        found[number] = replace(found.get(number, DeferredWork()), dead_letters=count)
    for number, due_since, has_worker in connection.execute(_due(account_id)):
        found[number] = replace(found.get(number, DeferredWork()), due_since=due_since, has_worker=has_worker)
    return found


def _due(account_id: int | None) -> sa.Select[Any]:
    """Return the query for the oldest job that could start now: since its time, or since it was deferred."""
    number = sa.cast(jobs.c.args.op("->>")(sa.literal_column("'account_id'")), sa.BigInteger)
    deferred_at = (
        sa.select(sa.func.min(cap_at_now(job_events.c.at))).where(job_events.c.job_id == jobs.c.id).scalar_subquery()
    )
    since = sa.func.coalesce(jobs.c.scheduled_at, deferred_at)
    has_worker = select_living_workers().scalar_subquery() > 0
    due = sa.select(number, sa.func.min(since), has_worker).where(_TODO, since <= sa.func.now())
    return _grouped(due, number, account_id)


def _grouped(query: sa.Select[Any], number: sa.ColumnElement[Any], account_id: int | None) -> sa.Select[Any]:
    grouped = query.group_by(number)
    return grouped if account_id is None else grouped.where(number == account_id)
