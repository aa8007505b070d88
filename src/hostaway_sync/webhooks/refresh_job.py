"""The job that deliveries cause: read their object again, once for all deliveries that wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from hostaway_sync.errors import AccountError
from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.observability.log_context import add_log_context
from hostaway_sync.observability.tracing import current_span
from hostaway_sync.queue.batching import NotReached
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hostaway_sync.model.records import Owner, Resource
    from hostaway_sync.queue.batching import JobErrors
    from hostaway_sync.store.jobs import Job
    from hostaway_sync.store.postgres.database import Database

RefreshObjects: TypeAlias = "Callable[[Owner, Resource, Sequence[int], Cause], Iterable[int]]"
"""Reads objects of an account again and stores them, in their order; yields the id of each that is done, or raises.

The history names the cause with each change.

An object that is gone or forbidden counts as done.
"""

_DISABLED = "the account is disabled"
_MOST_NAMED = 20


def run_refresh_job(database: Database, refresh_objects: RefreshObjects, batch: Sequence[Job]) -> JobErrors:
    """Run jobs that deliveries caused: they are about objects of one resource and one account.

    Only deliveries that were stored before the reading began are settled by it: what they announce is in what was
    read. A delivery that arrives meanwhile has a job of its own.

    Args:
        database: with the inbox.
        refresh_objects: reads the objects again.
        batch: the jobs, one an object.

    Returns:
        The error of each job, or None. The first object that cannot be read ends the reading, and those after it wait.
    """
    account_id, resource = batch[0].account_id, batch[0].required_target.resource
    waiting = inbox.find_waiting(database, account_id, resource, [job.required_target.object_id for job in batch])
    deliveries = [one for of_object in waiting.deliveries.values() for one in of_object]
    if not deliveries:
        return [None for _ in batch]
    add_log_context(request_ids=waiting.request_ids[:_MOST_NAMED])
    current_span().link_deliveries(deliveries)
    if waiting.owner is None:
        inbox.mark_ignored(database, deliveries, reason=_DISABLED)
        return [None for _ in batch]
    wanted = [job.required_target.object_id for job in batch if job.required_target.object_id in waiting.deliveries]
    # Of several that are worked off together, the first one stands for all.
    cause = Cause(CauseKind.WEBHOOK, str(waiting.deliveries[wanted[0]][0]))
    read: list[int] = []
    failure: Exception | None = None
    try:
        for object_id in refresh_objects(waiting.owner, resource, wanted, cause):
            read.append(object_id)  # noqa: PERF402  (those before an error count)
    except Exception as error:  # noqa: BLE001  (the policy judges it)
        failure = error
    if failure is not None and len(read) == len(wanted):
        read.pop()  # an error after the last object counts as that object's own
    inbox.mark_processed(database, [one for number in read for one in waiting.deliveries[number]])
    if isinstance(failure, AccountError):  # the account was disabled while they were being read
        inbox.mark_ignored(database, deliveries, reason=_DISABLED)
        return [None for _ in batch]
    left = wanted[len(read) :]
    errors: dict[int, Exception | None] = {number: NotReached() for number in left[1:]}
    errors |= dict.fromkeys(left[:1], failure)
    return [errors.get(job.required_target.object_id) for job in batch]
