"""Whether automations tell their consumers. Pure: no I/O, no clock."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.doctor.findings import Finding, Grade
from hostaway_sync.model.health import UNWORKED_AFTER, format_age, format_ago, format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from hostaway_sync.store.automations.states import Automation

_CHECK: Final = "automations"
# A consumer that is away for longer is on its way to be disabled.
_FAILING_LONG: Final = timedelta(days=1)


def check_automations(found: Sequence[Automation], now: datetime) -> Iterator[Finding]:
    """Judge whether each consumer is told; nothing is said where there is no automation."""
    active = [one for one in found if one.is_active]
    troubles = [*_find_disabled(found, now), *_find_failing(active, now), *_find_dead(found)]
    yield from troubles
    waiting = [one for one in active if one.waiting_since is not None and one.failing_since is None]
    oldest = min((one.waiting_since for one in waiting if one.waiting_since is not None), default=None)
    if oldest is not None and now - oldest > UNWORKED_AFTER:
        number = format_count(sum(one.waiting for one in waiting), "event")
        says = f"{number} waiting for consumers that answer, the oldest for {format_age(now - oldest)}"
        yield Finding(_CHECK, Grade.TROUBLE, says, "start `hostaway-sync worker`, or run `worker --drain` from cron")
    elif found and not troubles:
        since = "" if oldest is None else f", the oldest for {format_age(now - oldest)}"
        number = format_count(sum(one.waiting for one in active), "event")
        yield Finding(_CHECK, Grade.OK, f"{len(active)} of {len(found)} active, {number} waiting{since}")


def _find_disabled(found: Sequence[Automation], now: datetime) -> Iterator[Finding]:
    for one in found:
        if one.disabled_reason is not None:
            when = "" if one.disabled_at is None else f" {format_ago(one.disabled_at, now)}"
            says = f"automation {one.name} was disabled{when}: {one.disabled_reason}"
            advice = f"`automation enable {one.name}` when its consumer is well, or `automation remove {one.name}`"
            yield Finding(_CHECK, Grade.TROUBLE, says, advice)


def _find_failing(active: Sequence[Automation], now: datetime) -> Iterator[Finding]:
    for one in active:
        if one.failing_since is not None:
            grade = Grade.TROUBLE if now - one.failing_since > _FAILING_LONG else Grade.HINT
            oldest = "" if one.waiting_since is None else f", the oldest for {format_age(now - one.waiting_since)}"
            says = f"automation {one.name} has failed for {format_age(now - one.failing_since)}"
            says = f"{says}: {format_count(one.waiting, 'event')} waiting{oldest}"
            yield Finding(_CHECK, grade, says, f"`automation test {one.name}` prints its answer")


def _find_dead(found: Sequence[Automation]) -> Iterator[Finding]:
    for one in found:
        if one.dead:
            says = f"automation {one.name} was not told of {format_count(one.dead, 'event')}, which were given up"
            advice = f"`automation deliveries {one.name} --state dead` says why, `dead-letters retry` tries again"
            yield Finding(_CHECK, Grade.HINT, says, advice)
