"""What a delivery makes us do: read its object again, once for all the deliveries that wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.circumstances import add
from hostaway_sync.errors import AccountError
from hostaway_sync.store import inbox
from hostaway_sync.tracing import innermost

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.deliveries import Target
    from hostaway_sync.store.engine import Database
    from hostaway_sync.store.jobs import Job
    from hostaway_sync.store.records import Owner

_DISABLED = "the account is disabled"
_MOST_NAMED = 20


def refresh(database: Database, read_again: Callable[[Owner, Target], object], job: Job) -> None:
    """Do a job that deliveries made necessary.

    Only those that were stored before the reading began are settled by it: what they tell of is in what was read. One
    that comes meanwhile has a job of its own.

    Args:
        database: with the inbox.
        read_again: reads an object of an account and stores it; that it is gone or forbidden is for it to handle.
        job: which object.

    Raises:
        Exception: whatever kept the object from being read; the deliveries wait on.
    """
    assert job.target is not None  # noqa: S101  (that is what makes it a job of this kind)
    waiting = inbox.waiting(database, job.account_id, job.target)
    if not waiting.delivery_ids:
        return
    add(request_ids=waiting.request_ids[:_MOST_NAMED])
    innermost().follows(waiting.delivery_ids)
    if waiting.owner is None:
        inbox.ignored(database, waiting.delivery_ids, reason=_DISABLED)
        return
    try:
        read_again(waiting.owner, job.target)
    except AccountError:  # while it was being read
        inbox.ignored(database, waiting.delivery_ids, reason=_DISABLED)
        return
    inbox.processed(database, waiting.delivery_ids)
