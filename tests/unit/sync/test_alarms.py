from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.alarms import REPEAT_INTERVAL, Alarm, AlarmFindings, AlarmKind, Cause, update_alarms
from hostaway_sync.model.records import OBJECTS, ChangeCounts, Mode, Resource, ResourceReport, RunReport, RunState
from hostaway_sync.model.status import Certificate
from hostaway_sync.store.runs.certificates import choose_weightiest
from hostaway_sync.sync.reporting.alarms import find_causes
from hostaway_sync.sync.reporting.outcome import derive_outcome, list_ended_alarms, list_failures

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LISTS = frozenset(OBJECTS) - {Resource.MESSAGES}
REPORTS = st.dictionaries(
    st.sampled_from(Resource),
    st.tuples(st.sampled_from(["success", "partial", "failed", "away", "brake"]), st.booleans()),
    max_size=4,
)


def reported(states: Mapping[Resource, tuple[str, bool]]) -> AlarmFindings:
    """Return the observation of a run with these outcomes; the second value: the list was read whole."""
    reports: dict[str, ResourceReport] = {
        resource: ResourceReport(
            RunState.FAILED if state in {"away", "brake"} else RunState(state),
            ChangeCounts(),
            error=None if state == "success" else state,
            away="it is away" if state == "away" else None,
        )
        for resource, (state, _) in states.items()
    }
    whole = {resource for resource, (_, is_whole) in states.items() if is_whole and resource in LISTS}
    return find_causes(reports, whole, {resource for resource, (state, _) in states.items() if state == "brake"})


@given(st.lists(st.tuples(REPORTS, st.integers(1, 40)), max_size=8))
def test_alarm_ends_only_when_its_cause_is_gone(
    runs: list[tuple[dict[Resource, tuple[str, bool]], int]],
) -> None:
    """Printed at its start, with another cause, after 24 hours, and at its end."""
    now, told = NOON, dict[object, dict[str, datetime]]()
    alarms: tuple[Alarm, ...] = ()
    for states, hours in runs:
        now += hours * HOUR
        before = {alarm.key: alarm for alarm in alarms}
        result = update_alarms(alarms, reported(states), now)
        alarms = result.alarms
        for alarm in result.reported:
            said = told.setdefault(alarm.key, {})
            assert now - said.get(alarm.cause.sentence, NOON - REPEAT_INTERVAL) >= REPEAT_INTERVAL
            said[alarm.cause.sentence] = now
        for alarm in alarms:
            assert now - told[alarm.key][alarm.cause.sentence] < REPEAT_INTERVAL
            if alarm.key in before:
                assert alarm.since == before[alarm.key].since
        for alarm in result.ended:
            del told[alarm.key]
            state, is_whole = states[Resource(alarm.cause.resource)]
            is_sweep = is_whole or alarm.cause.resource in {Resource.MESSAGES, Resource.CALENDAR}
            if state == "brake":
                assert alarm.cause.kind is AlarmKind.PARTIAL
            else:
                assert state == "success"
                assert is_sweep or not alarm.cause.needs_sweep
        gone = before.keys() - {alarm.key for alarm in alarms}
        assert gone == {alarm.key for alarm in result.ended}


@pytest.mark.parametrize("kind", [AlarmKind.BRAKE, AlarmKind.PARTIAL])
def test_alarm_about_a_whole_list_needs_a_whole_list(kind: AlarmKind) -> None:
    """Neither an incremental run of the list nor a sweep of another list ends it."""
    state = "brake" if kind is AlarmKind.BRAKE else "partial"
    begun = update_alarms((), reported({Resource.LISTINGS: (state, True)}), NOON)
    assert [alarm.key for alarm in begun.reported] == [(kind, "listings")]
    for states in ({Resource.LISTINGS: ("success", False)}, {Resource.RESERVATIONS: ("success", True)}, {}):
        assert update_alarms(begun.alarms, reported(states), NOON + HOUR).ended == ()
    assert update_alarms(begun.alarms, reported({Resource.LISTINGS: ("success", True)}), NOON + HOUR).alarms == ()


def test_outage_of_the_source_is_no_alarm() -> None:
    """It has a mark of its own, and every run reports it."""
    assert reported({Resource.LISTINGS: ("away", True)}).causes == ()


REACHED = "listings: Hostaway cannot be reached at http://127.0.0.1:18081/v1: "


@pytest.mark.parametrize(
    ("first", "then", "is_told"),
    [
        (f"{REACHED}ConnectError", "listings: The connection to Hostaway broke: ReadError", True),
        (f"{REACHED}Connection refused", f"{REACHED}certificate verify failed", True),
        (f"{REACHED}Connection refused", f"{REACHED.replace('18081', '18080')}Connection refused", True),
        ("Hostaway answered GET /listings with 500", "Hostaway answered GET /listings with 404", True),
        ("does not know account 7 with this secret (401)", "does not know account 7 with this secret (403)", True),
        ("Hostaway answered GET /listings with 500", "Hostaway answered GET /listings with 500: try later", True),
        ("verify found 2 differences at noon", "verify found 2 differences at noon, many rows gone", True),
        (f"{REACHED}ConnectError", f"{REACHED}ConnectError", False),
        ("15 of 40 rows are no longer listed, all at once", "16 of 41 rows are no longer listed, all at once", False),
        (
            "verify found 1 difference at 2026-03-01 12:00 UTC",
            "verify found 3 differences at 2026-03-02 09:30 UTC",
            False,
        ),
        ("answered GET /conversations/41/messages with 500", "answered GET /conversations/7/messages with 500", False),
        (
            "refused: request 0f3a-77c1, 12.5 s, 2026-03-01T12:00:00.5Z",
            "refused: request 9ab2-11, 3 s, 1999-01-01Z",
            False,
        ),
    ],
)
def test_another_cause_is_reported_at_once(first: str, then: str, *, is_told: bool) -> None:
    """Other figures, times and ids are the same cause; another error, address or status is not."""
    begun = update_alarms((), AlarmFindings((Cause(AlarmKind.PARTIAL, "listings", first),)), NOON)
    later = update_alarms(begun.alarms, AlarmFindings((Cause(AlarmKind.PARTIAL, "listings", then),)), NOON + HOUR)
    assert [alarm.since for alarm in later.alarms] == [NOON]
    assert [alarm.cause.sentence for alarm in later.reported] == ([then] if is_told else [])
    again = update_alarms(later.alarms, AlarmFindings((Cause(AlarmKind.PARTIAL, "listings", then),)), NOON + 2 * HOUR)
    assert again.reported == ()


def causes_told(sentences: list[str]) -> list[list[str]]:
    """Return what each run of an account reports whose hourly runs find these causes in order."""
    told: list[list[str]] = []
    alarms: tuple[Alarm, ...] = ()
    for hour, sentence in enumerate(sentences):
        result = update_alarms(
            alarms, AlarmFindings((Cause(AlarmKind.PARTIAL, "listings", sentence),)), NOON + hour * HOUR
        )
        alarms = result.alarms
        told.append([alarm.cause.sentence for alarm in result.reported])
    return told


@pytest.mark.parametrize("causes", [("refused", "torn"), ("refused", "torn", "late")])
def test_alternating_causes_are_each_reported_once_a_day(causes: tuple[str, ...]) -> None:
    """An hourly cron line does not mail each hour because another cause returns."""
    turns = [causes[hour % len(causes)] for hour in range(48)]
    told = causes_told(turns)
    for day in (0, 24):
        assert sorted(chain.from_iterable(told[day : day + 24])) == sorted(causes)
    assert told[: len(causes)] == [[cause] for cause in causes]


def test_resource_that_fails_with_another_raises_no_alarm() -> None:
    """The list of conversations alone raises it, not the messages that depend on it."""
    braked = ResourceReport(RunState.FAILED, ChangeCounts(), error="15 of 40 rows are gone")
    following = ResourceReport(RunState.FAILED, ChangeCounts(), error="not listed", caused_by=Resource.CONVERSATIONS)
    parts: dict[str, ResourceReport] = {Resource.CONVERSATIONS: braked, Resource.MESSAGES: following}
    found = find_causes(parts, LISTS, {Resource.CONVERSATIONS})
    assert [(cause.kind, cause.resource) for cause in found.causes] == [(AlarmKind.BRAKE, "conversations")]
    assert (AlarmKind.PARTIAL, "messages") not in found.gone | found.swept
    told = RunReport(7, Mode.FULL, RunState.FAILED, 0, 0.0, parts, "x", alarms=update_alarms((), found, NOON))
    assert list_failures(told) == [("conversations: 15 of 40 rows are gone", True)]


def report(state: RunState, error: str | None, told_at: datetime | None) -> RunReport:
    """Return the report of a run in an account with one alarm, without new observations."""
    cause = Cause(AlarmKind.PARTIAL, "listings", "listings: torn")
    part = ResourceReport(state, ChangeCounts(), error=error)
    standing = update_alarms([Alarm(cause, NOON, told_at)], AlarmFindings(), NOON + HOUR)
    return RunReport(7, Mode.FULL, state, 0, 0.0, {Resource.LISTINGS: part}, error, alarms=standing)


def test_known_alarm_is_not_reported_again() -> None:
    """Other failures are, and on a terminal all of them."""
    assert list_failures(report(RunState.SUCCESS, None, None)) == [("listings: torn", True)]
    assert list_failures(report(RunState.FAILED, "torn", NOON)) == [("listings: torn", False)]
    assert list_failures(report(RunState.FAILED, "other", NOON)) == [
        ("listings: other", True),
        ("listings: torn", False),
    ]
    assert derive_outcome(report(RunState.SUCCESS, None, NOON)) is RunState.PARTIAL
    assert derive_outcome(report(RunState.FAILED, "torn", NOON)) is RunState.FAILED
    assert list_ended_alarms(report(RunState.SUCCESS, None, NOON)) == []


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
def test_certificates_are_ranked_by_damage_depth_and_age(given_ones: list[Certificate], counts: int) -> None:
    """Damage before incomplete ones, before depth, before age; an outdated one comes last."""
    assert choose_weightiest(given_ones) is given_ones[counts]
