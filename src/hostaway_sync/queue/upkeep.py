"""What somebody must do once in a while: give back the work of the dead, remember what was forgotten, prune.

Every worker does it; two at once do each other no harm.
"""

from __future__ import annotations

from random import random
from typing import TYPE_CHECKING

from hostaway_sync.queue import conclusion
from hostaway_sync.store import inbox, jobs, pruning

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta

    import sqlalchemy as sa

    from hostaway_sync.queue.policy import Policy
    from hostaway_sync.store.engine import Database


def rescue_stalled(database: Database, policy: Policy, kinds: Collection[str], *, silent_for: timedelta) -> int:
    """Defer anew what workers had begun that have been silent for so long; give how many jobs that were."""

    def rescue_one(connection: sa.Connection) -> bool:
        stalled = jobs.take_stalled(connection, kinds, silent_for=silent_for)
        if stalled is not None:
            conclusion.rescue(connection, stalled, policy, luck=random())  # noqa: S311  (spreads load, keeps no secret)
        return stalled is not None

    rescued = 0
    while database.transaction(rescue_one):
        rescued += 1
    return rescued


def remember(database: Database) -> None:
    """Defer a job for every object that deliveries wait for without one."""
    while inbox.enqueue_forgotten(database):
        pass


def prune(database: Database, *, keep: timedelta) -> None:
    """Delete what was settled longer than `keep` ago, a bounded number of batches at a time."""
    pruning.prune_settled(database, keep)
