"""What a delivery makes us do: read its object again, once for all the deliveries that wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from hostaway_sync.errors import AccountError
from hostaway_sync.observability.log_context import add_log_context
from hostaway_sync.observability.tracing import current_span
from hostaway_sync.queue.batching import NotReached
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hostaway_sync.model.records import Owner, Resource
    from hostaway_sync.queue.batching import JobErrors
    from hostaway_sync.store.jobs import Job
    from hostaway_sync.store.postgres.database import Database

ReadAgain: TypeAlias = "Callable[[Owner, Resource, Sequence[int], Callable[[int], None]], object]"
"""Reads objects of an account and stores them, in their order, and tells each that it is done with; or raises.

That one is gone, or forbidden, is for it to handle.
"""

_DISABLED = "the account is disabled"
_MOST_NAMED = 20


def run_refresh_job(database: Database, read_again: ReadAgain, batch: Sequence[Job]) -> JobErrors:
    """Do jobs that deliveries made necessary: they are about objects of one kind and one account.

    Only those deliveries that were stored before the reading began are settled by it: what they tell of is in what was
    read. One that comes meanwhile has a job of its own.

    Args:
        database: with the inbox.
        read_again: reads the objects.
        batch: which objects.

    Returns:
        How each ended. The first object that cannot be read ends the reading, and those after it wait on.
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
    read: list[int] = []
    failure: Exception | None = None
    try:
        read_again(waiting.owner, resource, wanted, read.append)
    except Exception as error:  # noqa: BLE001  (the policy judges it)
        failure = error
    if failure is not None and len(read) == len(wanted):
        read.pop()  # what went wrong after the last one is its own
    inbox.mark_processed(database, [one for number in read for one in waiting.deliveries[number]])
    if isinstance(failure, AccountError):  # while they were being read
        inbox.mark_ignored(database, deliveries, reason=_DISABLED)
        return [None for _ in batch]
    left = wanted[len(read) :]
    ends: dict[int, Exception | None] = {number: NotReached() for number in left[1:]}
    ends |= dict.fromkeys(left[:1], failure)
    return [ends.get(job.required_target.object_id) for job in batch]
