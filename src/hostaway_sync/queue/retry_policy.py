"""What follows when an attempt failed; pure: no I/O, no clock, no random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from hostaway_sync.errors import Advice, ConfigurationError, HostawaySyncError, LeaseLost, RateLimited

if TYPE_CHECKING:
    from collections.abc import Sequence

_LADDER = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
)
# Short, because most jobs in hand of a worker that died are innocent; growing, so that others get their turn.
_DEATH_LADDER = (
    timedelta(seconds=2),
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=10),
)
_NO_TIME = timedelta(0)
_JITTER = 0.2


class Action(Enum):
    """What to do with the job."""

    RETRY = auto()
    SNOOZE = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """What to do with the job, and after how long.

    Attributes:
        action: retry, snooze or give up.
        delay: until the next attempt; zero for DEAD.
        is_counted: False when the attempt that failed was an extra one, and the next has its number.
        is_exhausted: whether the job is dead because its attempts are used up; a new start might succeed.
    """

    action: Action
    delay: timedelta = _NO_TIME
    is_counted: bool = True
    is_exhausted: bool = False


@dataclass(frozen=True, slots=True)
class JobRetryPolicy:
    """When a job is attempted again.

    Attributes:
        ladder: the wait after the first, second … attempt; after one attempt more than it has steps, the job is dead.
        death_ladder: the wait after the second, third … death of its worker in a row, and the last one for all others.
            After one death more than it has steps, the job is dead, if other work succeeded between any two of them.
        snooze: the wait for an obstacle that goes away by itself.
    """

    ladder: tuple[timedelta, ...] = _LADDER
    death_ladder: tuple[timedelta, ...] = _DEATH_LADDER
    snooze: timedelta = timedelta(seconds=30)

    def decide_after_error(self, error: Exception, attempt: int, *, early: timedelta, jitter: float) -> RetryDecision:
        """Decide what follows an attempt that ended with `error`.

        Args:
            error: the error of the attempt.
            attempt: its number, from 1.
            early: how long before its planned time it ended, because a new delivery pulled it forward; else zero.
            jitter: 0 to 1, drawn by the caller.
        """
        advice = _advice(error)
        if advice is Advice.SNOOZE:
            retry_in = error.retry_in if isinstance(error, RateLimited) else None
            return RetryDecision(Action.SNOOZE, retry_in or self._spread(self.snooze, jitter), is_counted=False)
        if advice is not Advice.RETRY:
            return RetryDecision(Action.DEAD)
        if early > _NO_TIME:
            # Deliveries that keep coming while the source is down must not use up the attempts in a minute.
            return RetryDecision(Action.RETRY, early, is_counted=False)
        return self._retry_step(attempt, attempt - 1, jitter)

    def decide_after_death(self, others_succeeded: Sequence[bool], *, jitter: float) -> RetryDecision:
        """Decide what follows an attempt whose worker died; it counts as no attempt.

        A worker that is killed takes all its jobs along, so one death says nothing about a job, and is retried at once.
        A job that is in hand whenever a worker dies, while other work succeeds between, is the likely cause.

        Args:
            others_succeeded: for any two deaths in a row at this job, oldest first, whether other work succeeded.
            jitter: 0 to 1, drawn by the caller.
        """
        if sum(others_succeeded) >= len(self.death_ladder):
            return RetryDecision(Action.DEAD, is_exhausted=True)
        wait = self.find_wait_after_death(len(others_succeeded) + 1)
        return RetryDecision(Action.RETRY, self._spread(wait, jitter), is_counted=False)

    def find_wait_after_death(self, deaths: int) -> timedelta:
        """Return the wait after so many deaths of a job's worker in a row: none after the first."""
        return self.death_ladder[min(deaths - 1, len(self.death_ladder)) - 1] if deaths > 1 else _NO_TIME

    def _retry_step(self, attempt: int, step: int, jitter: float) -> RetryDecision:
        if attempt > len(self.ladder):
            return RetryDecision(Action.DEAD, is_exhausted=True)
        return RetryDecision(Action.RETRY, self._spread(self.ladder[step], jitter))

    def _spread(self, wait: timedelta, jitter: float) -> timedelta:
        return wait * (1 - _JITTER + 2 * _JITTER * jitter)


def _advice(error: Exception) -> Advice:
    # Wrong settings are the worker's fault, not the job's: another worker, or this one corrected, may do it. An error
    # that is not one of ours is a bug, and a new version may come before the attempts are used up.
    if isinstance(error, (ConfigurationError, LeaseLost)) or not isinstance(error, HostawaySyncError):
        return Advice.RETRY
    return error.advice
