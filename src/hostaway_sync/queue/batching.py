"""Jobs that are done together, and how each of them ended.

done            None
failed          its error: the attempt counts
not reached     `NotReached`: an earlier job failed; this one is given back, and no attempt counts
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hostaway_sync.store.jobs import Job, StartedJob

JobErrors: TypeAlias = "list[Exception | None]"
Handler: TypeAlias = "Callable[[Sequence[Job]], JobErrors]"
"""Does one or more jobs in their order; returns the error of each or None, or raises the error of the first one."""


class Batch:
    """A job in hand, and the jobs that it takes along; two threads may read it.

    Args:
        leader: the job that was fetched; Procrastinate ends its row, and this program ends those of the others.
        since: when it was begun, by `time.monotonic`.
    """

    def __init__(self, leader: StartedJob, *, since: float) -> None:
        self.leader = leader
        # Replaced as a whole: the other thread sees all followers, or none.
        self._members: tuple[tuple[StartedJob, float], ...] = ((leader, since),)

    def add(self, followers: Iterable[StartedJob], *, since: float) -> None:
        """Add jobs that were begun after the leader, at `since` by `time.monotonic`."""
        self._members = (*self._members, *((follower, since) for follower in followers))

    @property
    def members(self) -> tuple[tuple[StartedJob, float], ...]:
        """Every job and when it was begun, the leader first."""
        return self._members

    @property
    def begun(self) -> tuple[StartedJob, ...]:
        """Every job, the leader first."""
        return tuple(job for job, _ in self._members)


class NotReached(Exception):
    """Nothing was done for this job, because an earlier one failed."""


def handle_one_by_one(do: Callable[[Job], None]) -> Handler:
    """Return a handler of batches of one job; `do` does the job, or raises its error."""

    def handler(batch: Sequence[Job]) -> JobErrors:
        (job,) = batch
        do(job)
        return [None]

    return handler


def attempt_batch(handler: Handler, batch: Sequence[Job]) -> JobErrors:
    """Do jobs, and return the error of each or None; never raises."""
    try:
        return handler(batch)
    except Exception as error:  # noqa: BLE001  (the policy judges it)
        return [error, *(NotReached() for _ in batch[1:])]
