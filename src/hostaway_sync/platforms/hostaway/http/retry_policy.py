"""Whether to try again, and when: a decision without a clock.

Only for calls that may be repeated: GETs and the token route. Time and jitter are arguments, so that every decision can
be printed and tested; `client` sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hostaway_sync.errors import RateLimited, SourceAway, SourceUnavailable

DEFAULT_WINDOW: Final = timedelta(seconds=10)
_MOST_DOUBLINGS: Final = 20


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to keep trying.

    Attributes:
        attempts: requests in all, not counting those that were answered 429.
        backoff: ceiling of the first wait; every further wait may be twice as long.
        longest_backoff: ceiling of every wait.
        longest_limited: how long a call may be held up by 429 in all.
    """

    attempts: int = 5
    backoff: timedelta = timedelta(seconds=1)
    longest_backoff: timedelta = timedelta(seconds=16)
    longest_limited: timedelta = timedelta(minutes=10)


def wait_for(
    error: BaseException, *, attempt: int, limited_for: timedelta, jitter: float, patience: RetryPolicy
) -> timedelta | None:
    """Give how long to wait before the next attempt, or None to give up.

    Args:
        error: what the last attempt ended with.
        attempt: attempts made so far; one that was answered 429 is none.
        limited_for: how long this call has waited for 429 so far.
        jitter: a random number from 0 up to 1, so that many clients do not come back at once (full jitter).
        patience: the bounds.
    """
    if isinstance(error, RateLimited):
        window = error.retry_in or DEFAULT_WINDOW
        return window if limited_for + window <= patience.longest_limited else None
    if isinstance(error, SourceAway) or not isinstance(error, SourceUnavailable) or attempt >= patience.attempts:
        return None
    doublings = min(attempt - 1, _MOST_DOUBLINGS)
    return jitter * min(patience.backoff * (1 << doublings), patience.longest_backoff)
