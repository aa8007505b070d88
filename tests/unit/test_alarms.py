from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.alarms import TOLD_EVERY, Alarm, AlarmKind, Cause, Seen, after
from hostaway_sync.records import Counts, Mode, Resource, ResourceReport, RunReport, RunState
from hostaway_sync.store.certificates import weightiest
from hostaway_sync.store.facts import Certificate
from hostaway_sync.sync.alarms import seen
from hostaway_sync.sync.outcome import endings, failures, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LISTS = frozenset(Resource) - {Resource.MESSAGES}
REPORTS = st.dictionaries(
    st.sampled_from(Resource),
    st.tuples(st.sampled_from(["success", "partial", "failed", "away", "brake"]), st.booleans()),
    max_size=4,
)


def reported(states: Mapping[Resource, tuple[str, bool]]) -> Seen:
    """Return what a run saw whose resources ended so; the second value says that the list was read whole."""
    reports = {
        resource: ResourceReport(
            RunState.FAILED if state in {"away", "brake"} else RunState(state),
            Counts(),
            error=None if state == "success" else state,
            away="it is away" if state == "away" else None,
        )
        for resource, (state, _) in states.items()
    }
    whole = {resource for resource, (_, is_whole) in states.items() if is_whole and resource in LISTS}
    return seen(reports, whole, {resource for resource, (state, _) in states.items() if state == "brake"})


@given(st.lists(st.tuples(REPORTS, st.integers(1, 40)), max_size=8))
def test_an_alarm_ends_only_by_what_shows_that_its_cause_is_gone(
    runs: list[tuple[dict[Resource, tuple[str, bool]], int]],
) -> None:
    """Whatever runs follow: told when it begins, never twice in 24 hours, never silent for longer, and when it ends."""
    now, standing, told = NOON, (), dict[object, datetime]()
    alarms: tuple[Alarm, ...] = standing
    for states, hours in runs:
        now += hours * HOUR
        before = {alarm.key: alarm for alarm in alarms}
        result = after(alarms, reported(states), now)
        alarms = result.alarms
        for alarm in result.told:
            assert alarm.key not in told or now - told[alarm.key] >= TOLD_EVERY
            told[alarm.key] = now
        for alarm in alarms:
            assert now - told[alarm.key] < TOLD_EVERY
            if alarm.key in before:
                assert alarm.since == before[alarm.key].since
        for alarm in result.ended:
            del told[alarm.key]
            state, is_whole = states[Resource(alarm.cause.resource)]
            is_sweep = is_whole or alarm.cause.resource == Resource.MESSAGES
            if state == "brake":
                assert alarm.cause.kind is AlarmKind.PARTIAL
            else:
                assert state == "success"
                assert is_sweep or not alarm.cause.needs_sweep
        gone = before.keys() - {alarm.key for alarm in alarms}
        assert gone == {alarm.key for alarm in result.ended}


@pytest.mark.parametrize("kind", [AlarmKind.BRAKE, AlarmKind.PARTIAL])
def test_a_doubt_about_a_whole_list_needs_a_whole_list(kind: AlarmKind) -> None:
    """An incremental run of the same list sees nothing of it; nor does the sweep of another list."""
    state = "brake" if kind is AlarmKind.BRAKE else "partial"
    begun = after((), reported({Resource.LISTINGS: (state, True)}), NOON)
    assert [alarm.key for alarm in begun.told] == [(kind, "listings")]
    for states in ({Resource.LISTINGS: ("success", False)}, {Resource.RESERVATIONS: ("success", True)}, {}):
        assert after(begun.alarms, reported(states), NOON + HOUR).ended == ()
    assert after(begun.alarms, reported({Resource.LISTINGS: ("success", True)}), NOON + HOUR).alarms == ()


def test_a_source_that_is_away_is_no_alarm_of_an_account() -> None:
    """It has a mark of its own, and every run says so."""
    assert reported({Resource.LISTINGS: ("away", True)}).causes == ()


def report(state: RunState, error: str | None, told_at: datetime | None) -> RunReport:
    """Return the report of a run in an account with one alarm, after which nothing more was seen."""
    cause = Cause(AlarmKind.PARTIAL, "listings", "listings: torn")
    part = ResourceReport(state, Counts(), error=error)
    standing = after([Alarm(cause, NOON, told_at)], Seen(), NOON + HOUR)
    return RunReport(7, Mode.FULL, state, 0, 0.0, {Resource.LISTINGS: part}, error, standing=standing)


def test_only_news_must_be_said() -> None:
    """What a run finds again is not said again; what else went wrong is, and on a terminal all of it."""
    assert failures(report(RunState.SUCCESS, None, None)) == [("listings: torn", True)]
    assert failures(report(RunState.FAILED, "torn", NOON)) == [("listings: torn", False)]
    assert failures(report(RunState.FAILED, "other", NOON)) == [("listings: other", True), ("listings: torn", False)]
    assert outcome(report(RunState.SUCCESS, None, NOON)) is RunState.PARTIAL
    assert outcome(report(RunState.FAILED, "torn", NOON)) is RunState.FAILED
    assert endings(report(RunState.SUCCESS, None, NOON)) == []


EQUAL = Certificate(NOON, is_equal=True, is_deep=False, api_calls=1)
DAMAGED = Certificate(NOON - HOUR, is_equal=False, is_deep=True, api_calls=1, differences=2)


@pytest.mark.parametrize(
    ("given_ones", "counts"),
    [
        ([EQUAL, DAMAGED], 1),
        ([EQUAL, Certificate(NOON - HOUR, is_equal=True, is_deep=True, api_calls=1)], 1),
        ([EQUAL, Certificate(NOON - HOUR, is_equal=True, is_deep=True, api_calls=1, is_outdated=True)], 0),
        ([EQUAL, Certificate(NOON - HOUR, is_equal=False, is_deep=True, api_calls=1, differences=2, swept=2)], 1),
        ([Certificate(NOON, is_equal=False, is_deep=True, api_calls=1, error="away"), DAMAGED], 1),
        ([Certificate(NOON, is_equal=False, is_deep=False, api_calls=1, error="away"), EQUAL], 0),
        ([Certificate(NOON, is_equal=False, is_deep=False, api_calls=1, differences=1), DAMAGED], 1),
    ],
)
def test_the_certificate_that_counts(given_ones: list[Certificate], counts: int) -> None:
    """Damage that stands before what was left open, before depth, before youth; an outdated one comes last."""
    assert weightiest(given_ones) is given_ones[counts]
