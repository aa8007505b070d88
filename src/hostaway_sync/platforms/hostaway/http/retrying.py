"""Drives `retry` with tenacity: calls again until the decision is to give up."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import tenacity

from hostaway_sync.errors import RateLimited
from hostaway_sync.platforms.hostaway.http.retry_policy import RetryPolicy, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")

logger = logging.getLogger(__name__)


class Retrier:
    """Tries calls again that may be repeated.

    Args:
        patience: how often and how long.
        pause: sleeps, and may raise when it is no use to go on.
        random: a number from 0 up to 1.
    """

    def __init__(
        self, *, patience: RetryPolicy, pause: Callable[[timedelta], None], random: Callable[[], float]
    ) -> None:
        self._patience = patience
        self._pause = pause
        self._random = random

    def __call__(self, call: Callable[[], _Result]) -> _Result:
        """Give what `call` gives in the end, or raise what it raised last."""
        turn = _Turn(self._patience, self._random)
        retrying = tenacity.Retrying(
            retry=turn.goes_on,
            wait=turn.wait,
            sleep=lambda seconds: self._pause(timedelta(seconds=seconds)),
            reraise=True,
        )
        return retrying(call)


class _Turn:
    def __init__(self, patience: RetryPolicy, random: Callable[[], float]) -> None:
        self._patience = patience
        self._random = random
        self._attempts = 0
        self._limited_for = timedelta(0)
        self._wait = timedelta(0)

    def goes_on(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        if error is None:
            return False
        is_limited = isinstance(error, RateLimited)
        self._attempts += not is_limited
        wait = wait_for(
            error,
            attempt=self._attempts,
            limited_for=self._limited_for,
            jitter=self._random(),
            patience=self._patience,
        )
        if wait is None:
            return False
        self._wait = wait
        self._limited_for += wait if is_limited else timedelta(0)
        logger.debug("again in %.1f s: %s", wait.total_seconds(), error)
        return True

    def wait(self, _: tenacity.RetryCallState) -> float:
        return self._wait.total_seconds()
