"""Jobs that are done together, and what became of each of them.

done            None
failed          its error: the attempt counts
not reached     `NotReached`: another one failed before its turn; given back, and no attempt counts
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hostaway_sync.store.jobs import Job

Ends: TypeAlias = "list[Exception | None]"
Handler: TypeAlias = "Callable[[Sequence[Job]], Ends]"
"""Does jobs together, one or more, in their order; gives how each ended, or raises what the first one failed of."""


class NotReached(Exception):
    """Nothing was done for this job."""


def singly(do: Callable[[Job], None]) -> Handler:
    """Make a handler of what does one job, and raises what it fails of."""

    def handler(batch: Sequence[Job]) -> Ends:
        (job,) = batch
        do(job)
        return [None]

    return handler


def attempted(handler: Handler, batch: Sequence[Job]) -> Ends:
    """Have jobs done, and give how each ended, whatever happens."""
    try:
        return handler(batch)
    except Exception as error:  # noqa: BLE001  (the policy judges it)
        return [error, *(NotReached() for _ in batch[1:])]
