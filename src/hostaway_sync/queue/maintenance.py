"""Periodic work of every worker: rescue jobs of dead workers, defer forgotten jobs, prune.

Two workers that do it at once do no harm.
"""

from __future__ import annotations

import logging
from random import random
from typing import TYPE_CHECKING

from hostaway_sync.queue import outcomes
from hostaway_sync.store import pruning, stalled_jobs
from hostaway_sync.store.automations import work
from hostaway_sync.store.processes import workers
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    import sqlalchemy as sa

    from hostaway_sync.queue.retry_policy import JobRetryPolicy
    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)


def rescue_stalled_jobs(
    database: Database, policy: JobRetryPolicy, kinds: Collection[str], *, silent_for: timedelta
) -> int:
    """Defer again the jobs of workers that died, or sent no heartbeat for `silent_for`; return how many."""
    for worker_id in database.transaction(workers.remove_dead_workers):
        log.info("worker %d: its process died: its jobs are taken over at once", worker_id)

    def rescue_one(connection: sa.Connection) -> bool:
        stalled = stalled_jobs.lock_stalled_job(connection, kinds, silent_for=silent_for)
        if stalled is not None:
            outcomes.rescue_job(connection, stalled, policy, jitter=random())  # noqa: S311  (spreads load, keeps no secret)
        return stalled is not None

    rescued = 0
    while database.transaction(rescue_one):
        rescued += 1
    return rescued


def defer_forgotten_jobs(database: Database) -> None:
    """Defer a job for every object that deliveries wait for without one, and the jobs of automations."""
    while inbox.defer_missing_jobs(database):
        pass
    work.defer_forgotten(database)


def prune_settled_deliveries(database: Database, *, keep: timedelta) -> None:
    """Delete deliveries that were settled longer than `keep` ago, a bounded number of batches at a time."""
    pruning.prune_settled(database, keep)
