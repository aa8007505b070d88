"""Holds one request back until the moment that the budget granted, and again if it would leave too late.

A grant is good for its moment only: a request that leaves later, because a connection had to be set up or the process
was paused, may meet others in a window that has no room for both. So the last look is taken when the connection is
there and the bytes are about to leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from hostaway_sync.model.api_calls import Bucket, Budget, Priority


class SendSlot:
    """The moment of one request.

    Args:
        budget: grants moments.
        buckets: what the request counts against.
        priority: who goes first.
        pause: sleeps, and may raise when it is no use to go on.
        seconds: a clock that never jumps.

    Attributes:
        granted_at: the moment granted last, by the database's clock.
        left_at: when the request left, by `seconds`.
    """

    def __init__(
        self,
        *,
        budget: Budget,
        buckets: Sequence[Bucket],
        priority: Priority,
        pause: Callable[[timedelta], None],
        seconds: Callable[[], float],
    ) -> None:
        self._budget = budget
        self._buckets = buckets
        self._priority = priority
        self._pause = pause
        self._seconds = seconds
        self.granted_at: datetime
        self.left_at: float
        self._due: float
        self._slack: float
        self.wait()

    def wait(self) -> None:
        """Take a slot and wait for it."""
        grant = self._budget.reserve(self._buckets, priority=self._priority)
        self.granted_at = grant.granted_at
        self._due = self._seconds() + grant.wait.total_seconds()
        self._slack = grant.slack.total_seconds()
        self._pause(grant.wait)

    def confirm(self) -> None:
        """Return when the request may leave, this instant."""
        while (now := self._seconds()) - self._due > self._slack:
            self.wait()
        self.left_at = now
