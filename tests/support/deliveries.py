"""Deliveries for tests, stored in the inbox as the receiver stores them, and a worker without waits."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from hostaway_sync.model.deliveries import Delivery, Event, RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.queue.fetch_loop import WorkerConfig, WorkerTimings
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.queue.worker import Worker
from hostaway_sync.store.jobs import REFRESH, SYNC, Job
from hostaway_sync.store.webhooks import inbox
from hostaway_sync.webhooks import refresh_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.model.records import Owner
    from hostaway_sync.queue.batching import Handler, JobErrors
    from hostaway_sync.store.postgres.database import Database


QUICK = WorkerTimings(
    poll_s=0.02, heartbeat_s=0.1, silent_s=1.0, rescue_s=0.1, maintenance_s=0.2, grace_s=0.3, give_back_s=5
)
ONE_RETRY = JobRetryPolicy(ladder=(timedelta(0),), snooze=timedelta(0))
# For jobs whose workers die again and again: none of them is given up.
MANY_RETRIES = JobRetryPolicy(ladder=(timedelta(0),) * 99, death_ladder=(timedelta(0),) * 99, snooze=timedelta(0))
PATIENCE = 60.0


def deliver(
    database: Database, account_id: int, resource: Resource = Resource.RESERVATIONS, object_id: int = 1, **event: Any
) -> UUID:
    """Store a delivery in the inbox and return its id."""
    claims: dict[str, Any] = {
        "name": "reservation.updated",
        "target": RefreshTarget(resource, object_id),
        "claimed_account": account_id,
    }
    body = json.dumps({"event": "reservation.updated", "data": {"id": object_id}})
    delivery = Delivery(
        delivery_id=uuid4(),
        account_id=account_id,
        event=Event(**claims | {"ignored": None} | event),
        body=body.encode(),
        payload=body,
        headers={"user-agent": "sender"},
        received_by="here",
    )
    database.transaction(partial(inbox.accept_delivery, delivery=delivery, platform="hostaway"))
    return delivery.delivery_id


def worker(
    database: Database,
    handling: Mapping[str, Handler],
    *,
    policy: JobRetryPolicy = ONE_RETRY,
    drain: bool = True,
    timings: WorkerTimings = QUICK,
    batch: int = 1,
) -> Worker:
    """Return a worker of two refreshes and a sync at once."""
    config = WorkerConfig(handling, {REFRESH: 2, SYNC: 1}, batch, timedelta(days=30), policy, timings)
    return Worker(database, config, drain=drain)


def refreshing(database: Database, read: Callable[[int], object]) -> dict[str, Handler]:
    """Return handlers that call `read` with the id of every object, and sync nothing."""

    def refresh(_: Owner, resource: Resource, object_ids: Sequence[int], cause: Cause) -> Iterator[int]:
        del resource, cause
        for number in object_ids:
            read(number)
            yield number

    return {REFRESH: partial(refresh_job.run_refresh_job, database, refresh), SYNC: no_op}


def no_op(batch: Sequence[Job]) -> JobErrors:
    """Finish jobs without an effect."""
    return [None for _ in batch]


def drain(database: Database, handling: Mapping[str, Handler], *, policy: JobRetryPolicy = ONE_RETRY) -> None:
    """Work until nothing is due."""
    with worker(database, handling, policy=policy) as working:
        working.wait()


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Wait until a condition holds and return its value; a slow machine has a minute."""
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def join_job_threads() -> None:
    """Wait for threads that went on with a job after their worker had ended."""
    for thread in threading.enumerate():
        if thread.name.startswith("job"):
            thread.join(PATIENCE)


def batching_worker(database: Database, handling: dict[str, Handler], **options: Any) -> Worker:
    """Return a worker that handles up to ten jobs together."""
    return worker(database, handling, batch=10, **options)
