"""Whether to try again, and when: a decision without a clock.

Only calls that may be repeated ask for it: GETs and the token route. Time and jitter are arguments, so that every
decision can be printed and tested; `retrying` sleeps.
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
    """How often and how long a call is repeated.

    Attributes:
        attempts: requests in all, not counting those that were answered 429.
        backoff: upper bound of the first wait; that of every further wait is twice as long.
        longest_backoff: upper bound of every wait.
        longest_limited: how long a call may wait because of 429 in all.
    """

    attempts: int = 5
    backoff: timedelta = timedelta(seconds=1)
    longest_backoff: timedelta = timedelta(seconds=16)
    longest_limited: timedelta = timedelta(minutes=10)


def decide_wait(
    error: BaseException, *, attempt: int, limited_for: timedelta, jitter: float, policy: RetryPolicy
) -> timedelta | None:
    """Return how long to wait before the next attempt, or None to give up.

    Args:
        error: what the last attempt raised.
        attempt: attempts made so far, without those that were answered 429.
        limited_for: how long this call has waited for 429 so far.
        jitter: a random number from 0 up to 1, so that many clients do not return at once (full jitter).
        policy: the bounds.
    """
    if isinstance(error, RateLimited):
        window = error.retry_in or DEFAULT_WINDOW
        return window if limited_for + window <= policy.longest_limited else None
    if isinstance(error, SourceAway) or not isinstance(error, SourceUnavailable) or attempt >= policy.attempts:
        return None
    doublings = min(attempt - 1, _MOST_DOUBLINGS)
    return jitter * min(policy.backoff * (1 << doublings), policy.longest_backoff)
