"""What is asked of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is asked of a run.

    Attributes:
        resources: what to mirror; nothing else moves.
        full: read everything, even if an incremental run would do.
        accept_missing: believe it when suspiciously many rows are gone at once.
        dry_run: compare and count, write nothing.
        in_flight: requests that overlap.
        max_retries: how often the run may be tried again as a whole.
        sweep_after: a full run is due when the last whole one started so long ago.
        threads_after: in a full run, a thread is read again when it was not read whole for so long.
        unless_since: another run that began then or later, and was whole, makes this one needless.
        will_retry: whoever asked will ask again while another run works on the account; nothing was skipped then.
    """

    resources: tuple[Resource, ...] = tuple(Resource)
    full: bool = False
    accept_missing: bool = False
    dry_run: bool = False
    in_flight: int = 4
    max_retries: int = 0
    sweep_after: timedelta = timedelta(hours=20)
    threads_after: timedelta = timedelta(days=30)
    unless_since: datetime | None = None
    will_retry: bool = False
