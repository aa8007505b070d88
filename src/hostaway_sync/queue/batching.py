"""Jobs that are done together, and what became of each of them.

done            None
failed          its error: the attempt counts
not reached     `NotReached`: another one failed before its turn; given back, and no attempt counts
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hostaway_sync.store.jobs import Job, StartedJob

JobErrors: TypeAlias = "list[Exception | None]"
Handler: TypeAlias = "Callable[[Sequence[Job]], JobErrors]"
"""Does jobs together, one or more, in their order; gives how each ended, or raises what the first one failed of."""


class Batch:
    """A job in hand, and those that it takes along; two threads may look at it.

    Args:
        leader: the job whose turn it was; the engine ends its row, and we end the others'.
        since: when it was begun, by `monotonic`.
    """

    def __init__(self, leader: StartedJob, *, since: float) -> None:
        self.leader = leader
        # Replaced as a whole: whoever looks sees all that were taken along, or none.
        self._members: tuple[tuple[StartedJob, float], ...] = ((leader, since),)

    def add(self, followers: Iterable[StartedJob], *, since: float) -> None:
        """Take jobs along that were begun after the leader."""
        self._members = (*self._members, *((follower, since) for follower in followers))

    @property
    def members(self) -> tuple[tuple[StartedJob, float], ...]:
        """Every job and since when it is in hand, the leader first."""
        return self._members

    @property
    def begun(self) -> tuple[StartedJob, ...]:
        """Every job, the leader first."""
        return tuple(one for one, _ in self._members)


class NotReached(Exception):
    """Nothing was done for this job."""


def handle_one_by_one(do: Callable[[Job], None]) -> Handler:
    """Make a handler of what does one job, and raises what it fails of."""

    def handler(batch: Sequence[Job]) -> JobErrors:
        (job,) = batch
        do(job)
        return [None]

    return handler


def attempt_batch(handler: Handler, batch: Sequence[Job]) -> JobErrors:
    """Have jobs done, and give how each ended, whatever happens."""
    try:
        return handler(batch)
    except Exception as error:  # noqa: BLE001  (the policy judges it)
        return [error, *(NotReached() for _ in batch[1:])]
