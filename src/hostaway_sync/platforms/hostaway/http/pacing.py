"""Holds one request back until the moment that the budget granted, and again if it would leave too late.

A slot is good for its moment only. A request that leaves later, because a connection had to be set up or the process
was paused, may meet others in a window that has no room for both. So the time is checked once more when the connection
is there and the bytes are about to leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from hostaway_sync.model.api_calls import Bucket, Budget, Priority


class SendSlot:
    """The moment at which one request may leave.

    Args:
        budget: grants slots.
        buckets: what the request counts against.
        priority: who goes first.
        pause: sleeps; may raise to end the request.
        monotonic: a clock that never jumps.

    Attributes:
        granted_at: the moment granted last, by the database's clock.
        left_at: when the request left, by `monotonic`.
    """

    def __init__(
        self,
        *,
        budget: Budget,
        buckets: Sequence[Bucket],
        priority: Priority,
        pause: Callable[[timedelta], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._budget = budget
        self._buckets = buckets
        self._priority = priority
        self._pause = pause
        self._monotonic = monotonic
        self.granted_at: datetime
        self.left_at: float
        self._due_s: float
        self._slack_s: float
        self.wait()

    def wait(self) -> None:
        """Reserve a slot and wait for its moment."""
        grant = self._budget.reserve(self._buckets, priority=self._priority)
        self.granted_at = grant.granted_at
        self._due_s = self._monotonic() + grant.wait.total_seconds()
        self._slack_s = grant.slack.total_seconds()
        self._pause(grant.wait)

    def confirm(self) -> None:
        """Return once the request may leave, this instant; wait for another slot where this one has passed."""
        while (now := self._monotonic()) - self._due_s > self._slack_s:
            self.wait()
        self.left_at = now
