"""Whether to try again, and when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.errors import (
    CredentialsRejected,
    Forbidden,
    NotFound,
    RateLimited,
    RequestRejected,
    SourceAway,
    SourceUnavailable,
    TokenRejected,
)
from hostaway_sync.platforms.hostaway.http.retry_policy import RetryPolicy, decide_wait

ZERO = timedelta(0)


def wait(
    error: BaseException, attempt: int = 1, jitter: float = 1.0, limited_for: timedelta = ZERO
) -> timedelta | None:
    """Decide with the default policy."""
    return decide_wait(error, attempt=attempt, limited_for=limited_for, jitter=jitter, policy=RetryPolicy())


def test_waits_double_until_the_last_attempt() -> None:
    """1, 2, 4 and 8 s at most between five attempts."""
    waits = [wait(SourceUnavailable(), attempt) for attempt in range(1, 6)]
    assert waits == [timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8), None]


def test_waits_have_a_maximum() -> None:
    """Also of a thousand attempts, none waits longer than 16 s."""
    policy = RetryPolicy(attempts=1000)
    error = SourceUnavailable()
    waits = [decide_wait(error, attempt=n, limited_for=ZERO, jitter=1.0, policy=policy) for n in (5, 6, 999)]
    assert waits == [timedelta(seconds=16)] * 3


@given(attempt=st.integers(1, 4), jitter=st.floats(0, 1, exclude_max=True))
def test_jitter_spreads_over_the_whole_wait(attempt: int, jitter: float) -> None:
    """Full jitter: from zero to the maximum."""
    assert wait(SourceUnavailable(), attempt, jitter) == jitter * timedelta(seconds=2 ** (attempt - 1))


@pytest.mark.parametrize(
    "error", [NotFound(), Forbidden(), RequestRejected(), TokenRejected(), CredentialsRejected(), ValueError()]
)
def test_final_errors_are_not_retried(error: BaseException) -> None:
    """A refusal is an answer."""
    assert wait(error) is None


@given(attempt=st.integers(1, 999), jitter=st.floats(0, 1, exclude_max=True), waited=st.integers(0, 600))
def test_call_is_not_repeated_while_the_source_is_away(attempt: int, jitter: float, waited: int) -> None:
    """A waiting call would block other work; the circuit breaker decides for all calls when to ask again."""
    assert isinstance(SourceAway(), SourceUnavailable)
    policy = RetryPolicy(attempts=1000)
    limited_for = timedelta(seconds=waited)
    assert decide_wait(SourceAway(), attempt=attempt, limited_for=limited_for, jitter=jitter, policy=policy) is None


def test_429_waits_for_its_window_at_every_attempt() -> None:
    """A 429 does not count as an attempt."""
    assert wait(RateLimited("", retry_in=timedelta(seconds=7)), attempt=99, jitter=0.0) == timedelta(seconds=7)
    assert wait(RateLimited("")) == timedelta(seconds=10)


def test_waits_for_429_end_after_ten_minutes() -> None:
    """A longer wait must fail visibly."""
    error = RateLimited("", retry_in=timedelta(seconds=60))
    assert wait(error, limited_for=timedelta(minutes=9)) == timedelta(seconds=60)
    assert wait(error, limited_for=timedelta(minutes=9, seconds=1)) is None
