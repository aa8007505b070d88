"""What proves a mirror complete, what ends the proof, and what is reported beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hostaway_sync.model.alarms import Alarm, AlarmKind, Cause
from hostaway_sync.model.health import UNWORKED_AFTER, Condition, assess_health
from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.model.status import (
    AccountFacts,
    Certificate,
    DeferredWork,
    DueThreads,
    MessageBacklog,
    RunSummary,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
BEGUN = NOON - HOUR


def run(state: RunState = RunState.SUCCESS, error: str | None = None) -> RunSummary:
    """Return a run that began an hour ago and took a minute."""
    return RunSummary(Mode.INCREMENTAL, state, BEGUN, BEGUN, BEGUN + MINUTE, 3, error)


HEALTHY = AccountFacts(7, "Harbour", is_active=True, created_at=NOON, last_sync_at=BEGUN, last_run=run())
DIFFERENT = Certificate(NOON - 5 * HOUR, is_equal=False, is_deep=False, api_calls=4, differences=3, late=1)


def words(**facts: Any) -> tuple[Condition, tuple[str, ...]]:
    """Return the verdict on an account that is healthy except for these facts."""
    health = assess_health(replace(HEALTHY, **facts), NOON)
    return health.condition, health.problems


def test_advised_repair_is_as_deep_as_the_verification() -> None:
    """A shallow repair finds fewer differences; for a sudden loss the advice is to look first."""
    (wrong,) = words(certificate=replace(DIFFERENT, is_deep=True))[1]
    assert wrong == "verify found 2 differences 5 h ago: `hostaway-sync verify 7 --deep --repair` mends that"
    (wrong,) = words(certificate=replace(DIFFERENT, is_sudden=True))[1]
    assert wrong.startswith("verify found 2 differences 5 h ago, many rows gone all at once: look")
    assert "`hostaway-sync sync 7 --full --accept-missing`" in wrong


def test_difference_ends_an_earlier_proof() -> None:
    """An equal certificate proves nothing once a later one found damage."""
    damaged = replace(HEALTHY, equal_at=NOON - MINUTE, certificate=DIFFERENT)
    assert assess_health(damaged, NOON).verified_as_of == NOON - HOUR
    late = replace(DIFFERENT, differences=1)
    assert assess_health(replace(damaged, certificate=late), NOON).verified_as_of == NOON - MINUTE


def test_disabled_account_keeps_its_proof() -> None:
    """Its rows are as old as its last run."""
    assert assess_health(replace(HEALTHY, is_active=False), NOON).verified_as_of == NOON - HOUR


def test_threads_marked_as_the_run_began_are_for_the_next() -> None:
    """The run left only threads with an older mark unread."""
    assert words(due={Resource.CONVERSATIONS: DueThreads(1, BEGUN)}) == (Condition.OK, ())
    assert words(due={Resource.CONVERSATIONS: DueThreads(1, BEGUN - MINUTE)})[0] is Condition.CHECK


def test_messages_wait_for_a_worker_for_ten_minutes() -> None:
    """After that, the sentence about all waiting work includes them, too."""
    deferred = DeferredWork(due_since=NOON - UNWORKED_AFTER)
    assert "1 message to guests waits" in words(messages=MessageBacklog(queued=1), deferred=deferred)[1][0]
    (told,) = words(messages=MessageBacklog(unsettled=1))[1]
    assert told.startswith("1 message to guests with an unknown outcome: `hostaway-sync messages list")


def alarm(kind: AlarmKind, sentence: str) -> Alarm:
    """Return an alarm that was raised two hours ago."""
    return Alarm(Cause(kind, "", sentence), NOON - 2 * HOUR)


def test_alarm_is_reported_with_its_age() -> None:
    """Unless the last run's error has the same sentence, or a verification raised it: that has its own."""
    told = ("12 rows are gone (first seen 2 h ago)",)
    gone = alarm(AlarmKind.BRAKE, "12 rows are gone")
    assert words(alarms=(gone,)) == (Condition.FAILING, told)
    assert words(alarms=(gone, alarm(AlarmKind.DIFFERS, "3 differences"))) == (Condition.FAILING, told)
    assert words(alarms=(alarm(AlarmKind.DIFFERS, "3 differences"),)) == (Condition.OK, ())
    failed = run(RunState.PARTIAL, error="listings: 12 rows are gone")
    assert words(alarms=(gone,), last_run=failed)[1] == ("last run partial 59 min ago: listings: 12 rows are gone",)
    assert words(alarms=(gone,), last_run=run(RunState.FAILED))[1][1:] == told
    # A run that was whole in the end has no error that could repeat the alarm.
    assert words(alarms=(gone,), last_run=run(error="12 rows are gone"))[1] == told


def test_live_rows_of_an_unknown_resource_are_none() -> None:
    """No row of it was read yet."""
    assert HEALTHY.live(Resource.LISTINGS) == 0
