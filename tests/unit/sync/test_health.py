from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hostaway_sync.model.calendar.facts import CalendarFacts, CalendarTerms
from hostaway_sync.model.doubts import Doubt, Doubts
from hostaway_sync.model.health import (
    LATE_AFTER,
    UNWORKED_AFTER,
    Condition,
    assess_health,
    format_age,
    format_ago,
    is_webhook_silent,
    severity_rank,
)
from hostaway_sync.model.kinds.facts import KindFacts
from hostaway_sync.model.kinds.kind import Kind
from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.model.status import (
    AccountFacts,
    AnnouncementCounts,
    BucketUsage,
    Certificate,
    DeferredWork,
    DueThreads,
    Lease,
    MessageBacklog,
    QuarantineCounts,
    RecentRuns,
    RunSummary,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def run(state: RunState = RunState.SUCCESS, *, hours: float = 1, error: str | None = None) -> RunSummary:
    """Return a run that began so many hours ago and took a minute."""
    begun = NOON - hours * HOUR
    is_over = state not in {RunState.TRIGGERED, RunState.RUNNING, RunState.RETRYING}
    return RunSummary(Mode.INCREMENTAL, state, begun, begun, begun + MINUTE if is_over else None, 3, error)


HEALTHY = AccountFacts(7, "Harbour", is_active=True, created_at=NOON, last_sync_at=NOON - HOUR, last_run=run())
DIFFERENT = Certificate(NOON - 5 * HOUR, is_equal=False, is_deep=False, api_calls=4, differences=3, late=1)
LEASE = Lease("dock", NOON + MINUTE)
LIMIT = BucketUsage("account:7", 0, 200, timedelta(seconds=10))


def words(**facts: Any) -> tuple[Condition, tuple[str, ...]]:
    """Return the verdict on an account that is healthy except for these facts."""
    health = assess_health(replace(HEALTHY, **facts), NOON)
    assert health.has_problems == bool(health.problems)
    return health.condition, health.problems


def test_account_without_problems_is_ok() -> None:
    """A success an hour ago is enough."""
    assert words() == (Condition.OK, ())


def test_messages_that_need_a_person_are_counted() -> None:
    """Each kind has the command that lists them."""
    condition, wrong = words(messages=MessageBacklog(unsettled=3, waiting_for_person=1, unsent=1, undelivered=2))
    listing, unknown = "`hostaway-sync messages list --state", "with an unknown outcome"
    assert condition is Condition.CHECK
    assert wrong == (
        f"3 messages to guests {unknown}, 1 of them waiting for you: {listing} outcome_unknown --account 7`",
        f"1 message to guests never left, because the process died: {listing} pending --account 7`",
        f"2 messages to guests not delivered in the last 24 h: {listing} failed --account 7`",
    )
    assert "waiting" not in words(messages=MessageBacklog(unsettled=1))[1][0]


def test_disabled_account_has_no_problems() -> None:
    """Whatever its past was."""
    assert words(is_active=False, last_sync_at=None, last_run=run(RunState.FAILED)) == (Condition.DISABLED, ())


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.PARTIAL, RunState.ABANDONED])
def test_account_is_failing_after_a_partial_run(state: RunState) -> None:
    """The sentence has the run's own error; a run without one says so."""
    assert words(last_run=run(state, error="away")) == (Condition.FAILING, (f"last run {state} 59 min ago: away",))
    assert words(last_run=run(state))[1] == (f"last run {state} 59 min ago: no reason was kept",)


def test_open_run_without_a_lease_has_died() -> None:
    """No process works on it."""
    condition, (wrong,) = words(open_run=run(RunState.RUNNING, hours=3))
    assert condition is Condition.FAILING
    assert "a run died: asked for 3 h ago" in wrong


@pytest.mark.parametrize("lease", [None, LEASE])
def test_failure_is_reported_once_between_two_attempts(lease: Lease | None) -> None:
    """`sync-all` will try the run once more."""
    condition, wrong = words(
        open_run=run(RunState.RETRYING, error="away"), lease=lease, last_run=run(RunState.FAILED, hours=9, error="old")
    )
    assert condition is (Condition.RUNNING if lease else Condition.FAILING)
    assert wrong == ("first attempt failed, another one follows: away",)


def test_running_account_keeps_its_problems() -> None:
    """The state says that a run works, and earlier problems stay."""
    condition, wrong = words(lease=LEASE, open_run=run(RunState.RUNNING), last_run=run(RunState.FAILED, error="away"))
    assert condition is Condition.RUNNING
    assert wrong == ("last run failed 59 min ago: away",)
    assert words(lease=LEASE, open_run=run(RunState.RUNNING)) == (Condition.RUNNING, ())


def test_differences_stay_until_a_verification_finds_none() -> None:
    """The newest certificate decides."""
    condition, (wrong,) = words(certificate=DIFFERENT)
    assert condition is Condition.DIFFERS
    assert wrong == "verify found 2 differences 5 h ago: `hostaway-sync verify 7 --repair` mends that"
    assert words(certificate=replace(DIFFERENT, is_equal=True, differences=0, late=0)) == (Condition.OK, ())


def test_changes_since_the_last_run_are_no_damage() -> None:
    """The next run brings them."""
    assert words(certificate=replace(DIFFERENT, differences=1)) == (Condition.OK, ())


def test_incomplete_verification_is_reported() -> None:
    """Its result is neither equal nor different."""
    unknown = replace(DIFFERENT, differences=0, late=0, error="messages: no access")
    assert words(certificate=unknown) == (Condition.CHECK, ("verify left something open 5 h ago: messages: no access",))


def test_account_is_late_after_a_day_and_two_hours() -> None:
    """Exactly at the threshold it is not yet."""
    assert words(last_sync_at=NOON - LATE_AFTER) == (Condition.OK, ())
    late = NOON - LATE_AFTER - MINUTE
    assert words(last_sync_at=late) == (Condition.LATE, ("no success for 26 h, late after 26 h",))


def test_account_without_a_success_says_what_to_do() -> None:
    """The sentence has the command."""
    assert words(last_sync_at=None, last_run=None) == (Condition.NEVER, ("never synced whole: `hostaway-sync sync 7`",))


def test_records_without_a_row_are_reported() -> None:
    """The mirror is as complete as possible, but an operator should know."""
    assert words(quarantine=QuarantineCounts(rowless=2, cleaned=5)) == (
        Condition.CHECK,
        ("2 records could not be stored: see quarantined_records",),
    )
    assert words(quarantine=QuarantineCounts(cleaned=5)) == (Condition.OK, ())


def test_unread_threads_are_reported() -> None:
    """A mark set since the last run began is for the next one; during a run, all are."""
    old, new = DueThreads(2, NOON - 3 * HOUR), DueThreads(1, NOON - MINUTE)
    both = {Resource.CONVERSATIONS: old, Resource.RESERVATIONS: new}
    assert words(due=both) == (Condition.CHECK, ("3 threads not read yet, the oldest marked 3 h ago",))
    assert words(due={Resource.CONVERSATIONS: new}) == (Condition.OK, ())
    assert words(due=both, lease=LEASE, open_run=run(RunState.RUNNING)) == (Condition.RUNNING, ())
    assert words(due=both, last_run=None) == (Condition.OK, ())


def test_rate_limit_changes_of_the_source_are_reported() -> None:
    """A lowered limit, and a pause that the source asked for."""
    assert words(limit=LIMIT) == (Condition.OK, ())
    harmed = replace(LIMIT, lowered_to=15, lowered_until=NOON + 5 * HOUR, silent_until=NOON + 3 * MINUTE)
    assert words(limit=harmed)[1] == (
        "request limit lowered to 15 for another 5 h",
        "the source asked for silence for another 3 min",
    )


def test_runs_that_died_are_reported() -> None:
    """One of today is enough."""
    assert words(recent=RecentRuns(abandoned=1)) == (Condition.CHECK, ("1 run died in the last 24 h",))


def test_worst_problem_comes_first() -> None:
    """A failing run before differences, before lateness, before all others."""
    condition, wrong = words(
        last_run=run(RunState.FAILED, error="away"),
        certificate=DIFFERENT,
        last_sync_at=NOON - 3 * LATE_AFTER,
        recent=RecentRuns(abandoned=2),
    )
    assert condition is Condition.FAILING
    assert [sentence.split()[0] for sentence in wrong] == ["last", "verify", "no", "2"]
    assert min(Condition, key=severity_rank) is Condition.FAILING


def test_verified_at_is_the_newest_proven_moment() -> None:
    """A whole run proves its beginning, an equal certificate its own moment."""
    assert assess_health(HEALTHY, NOON).verified_as_of == NOON - HOUR
    assert assess_health(replace(HEALTHY, equal_at=NOON - MINUTE), NOON).verified_as_of == NOON - MINUTE
    assert assess_health(replace(HEALTHY, equal_at=NOON - 2 * HOUR), NOON).verified_as_of == NOON - HOUR
    assert assess_health(replace(HEALTHY, last_sync_at=None), NOON).verified_as_of is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
        (1e8, "1157 d"),
    ],
)
def test_ages_use_the_largest_unit_of_which_there_are_two(seconds: float, said: str) -> None:
    """Rounded down; a clock that was set back makes no negative age."""
    assert format_age(timedelta(seconds=seconds)) == said
    assert format_ago(NOON - timedelta(seconds=seconds), NOON) == f"{said} ago"


def test_dead_letters_are_reported() -> None:
    """The sentence has the command that shows them."""
    condition, (wrong,) = words(deferred=DeferredWork(dead_letters=2))
    assert condition is Condition.CHECK
    assert wrong == "2 dead letters waiting for you: `hostaway-sync dead-letters list --account 7`"


def test_work_without_a_worker_is_reported() -> None:
    """Not at once; the reason depends on whether a worker lives."""
    assert words(deferred=DeferredWork(3, NOON - HOUR, due_since=NOON - UNWORKED_AFTER)) == (Condition.OK, ())
    late = NOON - UNWORKED_AFTER - MINUTE
    assert "due for 11 min: no worker runs" in words(deferred=DeferredWork(due_since=late))[1][0]
    assert "more is deferred" in words(deferred=DeferredWork(due_since=late, has_worker=True))[1][0]


def test_silent_webhooks_are_reported() -> None:
    """With the number of changes, and the command that finds the reason."""
    condition, (wrong,) = words(announcements=AnnouncementCounts(12, 2))
    assert condition is Condition.CHECK
    assert wrong == (
        "webhooks seem silent: 12 of 14 changes of the last 24 h were found by polling only: "
        "`hostaway-sync webhooks check 7`"
    )
    assert words(announcements=AnnouncementCounts(4, 0)) == (Condition.OK, ())


@pytest.mark.parametrize(
    ("unannounced", "announced", "silent"), [(4, 0, False), (5, 0, True), (5, 4, True), (5, 5, False), (90, 100, False)]
)
def test_silence_is_many_changes_and_more_than_half(unannounced: int, announced: int, silent: bool) -> None:  # noqa: FBT001
    """Few changes, or a small share, may be an accident."""
    assert is_webhook_silent(unannounced, announced) is silent


@pytest.mark.parametrize(
    ("queued", "resting", "has_worker", "is_told"),
    [
        (1, 0, False, True),
        (2, 1, False, True),
        (1, 1, False, False),
        (0, 0, False, False),
        (1, 0, True, False),
    ],
)
def test_message_without_a_worker_is_reported_at_once(
    queued: int, resting: int, *, has_worker: bool, is_told: bool
) -> None:
    """A message that waits for the morning, or has a worker, is no problem."""
    deferred = DeferredWork(due_since=NOON - timedelta(seconds=1), has_worker=has_worker)
    condition, wrong = words(messages=MessageBacklog(queued=queued, resting=resting), deferred=deferred)
    told = "1 message to guests waits for a worker, and none runs: `hostaway-sync worker` sends them"
    assert (condition, wrong) == ((Condition.CHECK, (told,)) if is_told else (Condition.OK, ()))


def test_long_waiting_work_is_reported_once() -> None:
    """One cause is one sentence."""
    deferred = DeferredWork(due_since=NOON - HOUR, has_worker=False)
    assert len(words(messages=MessageBacklog(queued=1), deferred=deferred)[1]) == 1


def test_suspected_rows_are_reported() -> None:
    """Which, how many, since when, and what settles it; the mirror counts as complete."""
    doubts = Doubts({Resource.RESERVATIONS: Doubt(2, NOON - 3 * HOUR)}, {Resource.LISTINGS: Doubt(1, NOON - HOUR)})
    condition, (suspected, set_back) = words(doubts=doubts)
    assert condition is Condition.CHECK
    assert suspected.startswith("reservations: 2 rows not found when asked for, first 3 h ago: the next sweep judges")
    assert set_back.startswith("listings: 1 row with a stamp that went back at the source, first 60 min ago")


def test_overdue_calendars_count_after_a_run_left_them() -> None:
    """Not during a command, not when they became overdue since, and not while they are off."""
    late = CalendarFacts(overdue=2, overdue_since=NOON - 2 * HOUR, turn_at=NOON - 50 * HOUR)
    said = "2 calendars not read again in time, the first has been waiting for 2 d"
    assert words(calendar=late) == (Condition.CHECK, (said,))
    unknown = "2 calendars not read again in time, the first has been waiting for long"
    assert words(calendar=replace(late, turn_at=None)) == (Condition.CHECK, (unknown,))
    assert words(calendar=late, lease=LEASE) == (Condition.RUNNING, ())
    assert words(calendar=late, last_run=None) == (Condition.OK, ())
    assert words(calendar=replace(late, overdue_since=NOON - HOUR)) == (Condition.OK, ())
    assert words(calendar=replace(late, is_on=False)) == (Condition.OK, ())
    assert words(calendar=CalendarFacts(turn_at=NOON - HOUR)) == (Condition.OK, ())


def test_overdue_kinds_count_after_a_run_left_them() -> None:
    """In one sentence; not during a command, not when they became overdue since, and not while they are off."""
    read = KindFacts(Kind("reviews", every=20 * HOUR), oldest_read_at=NOON - 62 * HOUR, due_at=NOON - 42 * HOUR)
    tasks = replace(read, kind=Kind("tasks", every=20 * HOUR), due_at=NOON - 48 * HOUR)
    said = "reviews, tasks not read again in time, the first has been waiting for 2 d"
    assert words(kinds=(read, tasks)) == (Condition.CHECK, (said,))
    assert words(kinds=(read, tasks), lease=LEASE) == (Condition.RUNNING, ())
    assert words(kinds=(read, tasks), last_run=None) == (Condition.OK, ())
    assert words(kinds=(replace(read, is_on=False), replace(tasks, oldest_read_at=None, due_at=None))) == (
        Condition.OK,
        (),
    )
    since = replace(read, due_at=NOON - 41 * HOUR, oldest_read_at=NOON - 61 * HOUR)
    assert words(kinds=(since,)) == (Condition.OK, ())


@pytest.mark.parametrize(
    ("every", "read", "due", "overdue"),
    [
        (20, 0, 10, 50),
        (20, 0, 20, 60),
        # A failure moves the next attempt, not the time at which the list should have been read.
        (20, 0, 90, 60),
        (5, 0, 5, 31),
        (168, 0, 168, 504),
    ],
)
def test_kind_is_overdue_two_periods_after_its_turn(every: int, read: int, due: int, overdue: int) -> None:
    """Never sooner than a daily run may come."""
    facts = KindFacts(Kind("tasks", every=every * HOUR), oldest_read_at=NOON + read * HOUR, due_at=NOON + due * HOUR)
    assert facts.overdue_at == NOON + overdue * HOUR


@pytest.mark.parametrize(("period", "hours"), [(20, 40), (0, 26), (5, 26), (24, 48)])
def test_calendar_is_overdue_after_two_periods(period: int, hours: int) -> None:
    """Never sooner than a daily run may come."""
    assert CalendarTerms(365, period * HOUR).overdue_after == hours * HOUR
