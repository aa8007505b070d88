"""Notice that the database's clock was put forward, by comparing it with a monotonic clock of this process."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

# A clock that is being corrected runs up to a two-thousandth too fast or too slow.
_TOLERATED: Final = timedelta(seconds=0.1)
_TOLERATED_SHARE: Final = 0.001


class ClockWatch:
    """Compares two readings of the database's clock with the time that passed here; safe to use from several threads.

    Args:
        seconds: a monotonic clock.
    """

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._last: tuple[datetime, float] | None = None

    def seconds(self) -> float:
        """Return the time of the monotonic clock, to be read before the database is asked for its own."""
        return self._seconds()

    def step(self, read: datetime, *, asked_at: float) -> timedelta:
        """Return how far the database's clock was put forward between the last reading and this one; zero: it was not.

        Args:
            read: time of the database's clock.
            asked_at: `seconds` before the database was asked.
        """
        answered_at = self._seconds()
        with self._lock:
            last = self._last
            if last is None or asked_at >= last[1]:
                self._last = read, asked_at
        if last is None:
            return timedelta()
        # From before the first question until after the second answer: no more time can have passed in the database.
        passed = timedelta(seconds=answered_at - last[1])
        ahead = read - last[0] - passed
        return ahead if ahead > _TOLERATED + passed * _TOLERATED_SHARE else timedelta()
