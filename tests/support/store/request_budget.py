"""Many reservations of slots, and the fullest window of them."""

from __future__ import annotations

from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hostaway_sync.model.api_calls import Bucket, Priority
from hostaway_sync.store.request_budget import DatabaseBudget

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database


SECOND = timedelta(seconds=1)
ADDRESS = Bucket("ip:here", 200, 10 * SECOND)
ACCOUNT = Bucket("account:1", 200, 10 * SECOND)


def fullest_window(granted: list[datetime], bucket: Bucket) -> int:
    """Return the largest number of slots in any window of the bucket, both its ends included."""
    slots = sorted(granted)
    return max(bisect_left(slots, slot + bucket.window + timedelta.resolution) - i for i, slot in enumerate(slots))


def reserve_many(
    database: Database, number: int, *buckets: Bucket, threads: int = 4, priority: Priority = Priority.NORMAL
) -> list[datetime]:
    """Reserve so many slots from several threads at once, without waiting for them."""
    budget = DatabaseBudget(database)
    with ThreadPoolExecutor(threads) as pool:
        grants = pool.map(lambda _: budget.reserve(buckets, priority=priority), range(number))
        return [grant.granted_at for grant in grants]
