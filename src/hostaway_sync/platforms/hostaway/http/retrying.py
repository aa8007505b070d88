"""Repeats a call with tenacity until `retry_policy` gives up, and says in each attempt how the last one failed."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import tenacity

from hostaway_sync.errors import RateLimited
from hostaway_sync.platforms.hostaway.http.retry_policy import RetryPolicy, decide_wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.platforms.hostaway.http.request import Request

_Result = TypeVar("_Result")

logger = logging.getLogger(__name__)


class Attempts:
    """The attempts of one call; each says in its cause how the one before it failed."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._made = 0
        self.last_status: int | None = None

    def next(self) -> Request:
        """Return the request of the next attempt."""
        self._made += 1
        if self._made == 1:
            return self._request
        failure = "no whole answer" if self.last_status is None else f"{self.last_status}"
        if self.last_status == HTTPStatus.OK:
            failure = "a useless 200"
        self.last_status = None
        cause = self._request.cause.with_step(f"attempt {self._made} after {failure}")
        return replace(self._request, cause=replace(cause, attempt=self._made))


class Retrier:
    """Repeats calls that may be repeated.

    Args:
        policy: how often and how long.
        pause: sleeps; may raise to end the call.
        jitter: returns a random number from 0 up to 1.
    """

    def __init__(self, policy: RetryPolicy, *, pause: Callable[[timedelta], None], jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._pause = pause
        self._jitter = jitter

    def __call__(self, call: Callable[[], _Result]) -> _Result:
        """Return what `call` returns in the end, or raise what it raised last."""
        retried = _RetriedCall(self._policy, self._jitter)
        retrying = tenacity.Retrying(
            retry=retried.is_repeated,
            wait=retried.wait_s,
            sleep=lambda seconds: self._pause(timedelta(seconds=seconds)),
            reraise=True,
        )
        return retrying(call)


class _RetriedCall:
    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self._attempts = 0
        self._limited_for = timedelta(0)
        self._wait = timedelta(0)

    def is_repeated(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        if error is None:
            return False
        is_limited = isinstance(error, RateLimited)
        self._attempts += not is_limited
        wait = decide_wait(
            error,
            attempt=self._attempts,
            limited_for=self._limited_for,
            jitter=self._jitter(),
            policy=self._policy,
        )
        if wait is None:
            return False
        self._wait = wait
        self._limited_for += wait if is_limited else timedelta(0)
        logger.debug("retry in %.1f s: %s", wait.total_seconds(), error)
        return True

    def wait_s(self, _: tenacity.RetryCallState) -> float:
        return self._wait.total_seconds()
