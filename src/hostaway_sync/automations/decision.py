"""What follows the answer of a consumer: for the event, and for the consumer as a whole. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import TargetUnavailable
from hostaway_sync.queue.retry_policy import Action
from hostaway_sync.store.automations.states import DeliveryState

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.automations.answer import Answer
    from hostaway_sync.queue.retry_policy import JobRetryPolicy

FAILING_FOR: Final = timedelta(days=5)
"""After so long without a success an automation is disabled."""
# A consumer that comes back is told within an hour, however long it was away.
_LONGEST_PAUSE: Final = timedelta(hours=1)
_NO_TIME: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class DeliveryDecision:
    """What becomes of one event.

    Attributes:
        state: delivered, waiting for another try, or dead.
        retry_in: until the next try; None: there is none.
    """

    state: DeliveryState
    retry_in: timedelta | None = None


def decide_delivery(answer: Answer, attempt: int, policy: JobRetryPolicy, *, jitter: float) -> DeliveryDecision:
    """Decide what becomes of an event: delivered, or tried again on the ladder of the queue, or dead.

    Args:
        answer: of the consumer.
        attempt: number of this try, from 1.
        policy: of the queue.
        jitter: 0 to 1, drawn by the caller.
    """
    if answer.error is None:
        return DeliveryDecision(DeliveryState.DELIVERED)
    error = TargetUnavailable(answer.error)
    decision = policy.decide_after_error(error, attempt, early=_NO_TIME, jitter=jitter)
    if decision.action is Action.DEAD and not answer.is_gone:
        return DeliveryDecision(DeliveryState.DEAD)
    # An event that a consumer refuses for good waits, in case that it is enabled again.
    return DeliveryDecision(DeliveryState.WAITING, decision.delay)


def find_disable_reason(answer: Answer, failing_since: datetime | None, now: datetime) -> str | None:
    """Return why an automation is to be disabled after this answer; None: it is not.

    Args:
        answer: of the consumer.
        failing_since: its first failure after the last success; None: there was none before this answer.
        now: the time of the answer.
    """
    if answer.is_gone:
        return "its consumer answered 410 Gone: it does not want to be told any more"
    if answer.error is not None and failing_since is not None and now - failing_since >= FAILING_FOR:
        return f"no telling succeeded since {failing_since:%Y-%m-%d %H:%M} UTC; the last failure: {answer.error}"
    return None


def is_later_change(changed_at: datetime, active_since: datetime, now: datetime) -> bool:
    """Whether a change came after an automation was added or enabled.

    All three are times of the database's clock. Where that clock was ahead when the automation was added, the mark lies
    in the future and says nothing: then it is told of the change, rather than of none until the clock has caught up.
    """
    return active_since > now or changed_at >= active_since


def find_pause(failed_rounds: int, policy: JobRetryPolicy) -> timedelta:
    """Return how long a consumer is left alone that did not answer in so many rounds in a row."""
    return min(policy.ladder[min(failed_rounds, len(policy.ladder)) - 1], _LONGEST_PAUSE)
