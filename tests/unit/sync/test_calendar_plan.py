from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.sync.calendar.plan import (
    ARCHIVED_PERIOD,
    REFUSED_PERIOD,
    CalendarOptions,
    CalendarTask,
    Problems,
    choose_next_turn,
    choose_period,
    is_known_end,
    is_turn,
    judge_whole_reading,
    leave_out_yesterday,
    list_mirrored_days,
    select_tasks,
    spread_marks,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = NOON.date()
OPTIONS = CalendarOptions(horizon=100)
MIRRORED = list_mirrored_days(NOON, 100)


def task(reading: ListingReading, days: Days = MIRRORED) -> CalendarTask:
    """Return a task for these days."""
    return CalendarTask(reading, days, MIRRORED, "")


def test_mirrored_days_begin_a_day_early() -> None:
    """In the west of the date line the day before is still the present one."""
    assert Days(date(2026, 2, 28), date(2026, 6, 9)) == MIRRORED


def test_marks_go_first_and_the_most_overdue_turn_next() -> None:
    """A listing that was never read is the most overdue; one that is not due is left out."""
    due = Days(TODAY + 5 * DAY, TODAY + 9 * DAY)
    readings = [
        ListingReading(1, rota_at=NOON - HOUR, read_at=NOON - 20 * HOUR),
        ListingReading(2, rota_at=NOON + HOUR, read_at=NOON - HOUR),
        ListingReading(3),
        ListingReading(4, rota_at=NOON + HOUR, read_at=NOON - HOUR, due=due),
        ListingReading(5, rota_at=NOON - 2 * HOUR, read_at=NOON - 20 * HOUR, due=due),
    ]
    tasks = select_tasks(readings, NOON, OPTIONS)
    assert [one.reading.listing_id for one in tasks] == [4, 3, 5, 1]
    assert [one.days for one in tasks] == [due, MIRRORED, MIRRORED, MIRRORED]
    assert [one.is_whole for one in tasks] == [False, True, True, True]
    assert [one.reading.listing_id for one in select_tasks(readings, NOON, OPTIONS, full=True)] == [3, 5, 1, 2, 4]


def test_marks_outside_the_mirrored_days_are_no_task() -> None:
    """Only mirrored days are read; the marks of a refused calendar wait for its turn."""
    known = ListingReading(1, rota_at=NOON + HOUR, read_at=NOON - HOUR)
    beyond = replace(known, due=Days(MIRRORED.last + DAY, MIRRORED.last + 9 * DAY))
    partly = replace(known, due=Days(date(2025, 1, 1), MIRRORED.first))
    refused = replace(partly, refused_at=NOON)
    assert select_tasks([beyond, refused], NOON, OPTIONS) == []
    assert [one.days for one in select_tasks([partly], NOON, OPTIONS)] == [Days(MIRRORED.first, MIRRORED.first)]


@pytest.mark.parametrize(
    ("turn", "is_due"),
    [(None, True), (NOON, True), (NOON + HOUR, False), (NOON + 20 * HOUR, False), (NOON + 21 * HOUR, True)],
)
def test_turn_further_ahead_than_a_period_is_due(turn: datetime | None, *, is_due: bool) -> None:
    """It comes from a clock that was ahead, or from a longer period."""
    assert is_turn(ListingReading(1, rota_at=turn), NOON, OPTIONS) is is_due


def test_archived_and_refused_calendars_are_read_weekly() -> None:
    """Or less often, where the period is longer."""
    longer = replace(OPTIONS, period=30 * DAY)
    archived, refused = ListingReading(1, is_archived=True), ListingReading(1, refused_at=NOON)
    assert choose_period(ListingReading(1), OPTIONS) == 20 * HOUR
    assert (choose_period(archived, OPTIONS), choose_period(refused, OPTIONS)) == (ARCHIVED_PERIOD, REFUSED_PERIOD)
    assert (choose_period(archived, longer), choose_period(refused, longer)) == (30 * DAY, 30 * DAY)


@given(
    listing_id=st.integers(1, 2**62),
    late=st.timedeltas(timedelta(0), 40 * HOUR),
    period=st.timedeltas(timedelta(0), 30 * DAY),
    has_turn=st.booleans(),
)
def test_next_turns_lie_in_the_second_half_of_a_period(
    listing_id: int, late: timedelta, period: timedelta, *, has_turn: bool
) -> None:
    """However late a listing was read."""
    reading = ListingReading(listing_id, rota_at=NOON - late if has_turn else None)
    turn = choose_next_turn(70001, reading, NOON, period)
    assert period / 2 <= turn - NOON <= period


def test_listing_keeps_its_hour() -> None:
    """A reading soon after its turn does not move later turns."""
    reading = ListingReading(1, rota_at=NOON - HOUR)
    assert choose_next_turn(70001, reading, NOON, 20 * HOUR) == NOON + 19 * HOUR


@pytest.mark.parametrize(("late", "is_kept"), [(0, True), (10, True), (11, False), (13, False), (20, False)])
def test_listing_read_half_a_period_late_gets_another_hour(late: int, *, is_kept: bool) -> None:
    """A turn at either bound keeps its hour; no turn is before half a period has passed."""
    reading = ListingReading(1, rota_at=NOON - late * HOUR)
    first = choose_next_turn(70001, ListingReading(1), NOON, 20 * HOUR)
    assert first not in {NOON + 10 * HOUR, NOON + 20 * HOUR}
    turn = choose_next_turn(70001, reading, NOON, 20 * HOUR)
    assert turn == (NOON + (20 - late) * HOUR if is_kept else first)


def test_first_turns_are_spread_evenly() -> None:
    """Of a thousand listings read at once, each tenth of the second half gets about a tenth."""
    turns = [choose_next_turn(70001, ListingReading(number), NOON, 20 * HOUR) for number in range(1000)]
    tenths = [int((turn - NOON - 10 * HOUR) / HOUR) for turn in turns]
    assert all(70 < tenths.count(tenth) < 130 for tenth in range(10))


def test_reading_without_gaps_knows_all_days() -> None:
    """It also ends a refusal."""
    before = ListingReading(1, short_count=2, missing_days=5, refused_at=NOON - DAY)
    after = judge_whole_reading(task(before), [], NOON, NOON + HOUR)
    assert (after.known_until, after.short_count, after.missing_days) == (MIRRORED.last, 0, 0)
    assert (after.read_at, after.rota_at, after.refused_at) == (NOON, NOON + HOUR, None)


@pytest.mark.parametrize("moves", [True, False])
def test_third_reading_with_the_same_end_misses_no_day(*, moves: bool) -> None:
    """A calendar may end so many days ahead, or on one day."""
    reading = ListingReading(1)
    found = []
    for day in range(4):
        now = NOON + day * DAY
        mirrored = list_mirrored_days(now, 100)
        end = MIRRORED.first + (59 + day * moves) * DAY
        gap = Days(end + DAY, mirrored.last)
        one = CalendarTask(reading, mirrored, mirrored, "")
        found.append((reading.short_count, is_known_end(one, gap)))
        reading = judge_whole_reading(one, [gap], now, now)
        found.append((reading.short_count, reading.missing_days > 0))
    assert found == [(0, False), (1, True), (1, False), (2, True), (2, False), (3, False), (3, True), (3, False)]


def test_missing_yesterday_is_no_gap() -> None:
    """It is requested because it is today in the west; a source without past days is whole."""
    yesterday = Days(MIRRORED.first, MIRRORED.first)
    assert leave_out_yesterday(task(ListingReading(1)), yesterday) is None
    assert leave_out_yesterday(task(ListingReading(1)), MIRRORED) == Days(TODAY, MIRRORED.last)
    assert leave_out_yesterday(task(ListingReading(1)), Days(TODAY, TODAY)) == Days(TODAY, TODAY)


def test_calendar_with_another_end_counts_anew() -> None:
    """Three readings must agree."""
    before = ListingReading(1, read_at=NOON - DAY, known_until=MIRRORED.first + 59 * DAY, short_count=2)
    gap = Days(MIRRORED.first + 30 * DAY, MIRRORED.last)
    after = judge_whole_reading(task(before), [gap], NOON, NOON)
    assert (after.short_count, after.missing_days) == (1, len(gap))


@pytest.mark.parametrize(
    ("passed", "moved", "is_alike"),
    [(5, 0, True), (5, 1, False), (5, 3, False), (5, 4, True), (5, 5, True), (5, 6, True), (5, 7, False)],
)
def test_calendar_may_end_on_a_moving_or_fixed_day(passed: int, moved: int, *, is_alike: bool) -> None:
    """A day's difference comes from reading it at another hour."""
    end = MIRRORED.first + 50 * DAY
    before = ListingReading(1, read_at=NOON - passed * DAY, known_until=end, short_count=1)
    gap = Days(end + (moved + 1) * DAY, MIRRORED.last)
    assert judge_whole_reading(task(before), [gap], NOON, NOON).short_count == (2 if is_alike else 1)


def test_calendar_without_an_earlier_reading_counts_anew() -> None:
    """A mark from the future counts as unknown, and may be lost while the count is not."""
    end = MIRRORED.first + 50 * DAY
    before = ListingReading(1, read_at=NOON - DAY, known_until=end, short_count=2)
    for lacking in (replace(before, read_at=None), replace(before, known_until=None)):
        after = judge_whole_reading(task(lacking), [Days(end + DAY, MIRRORED.last)], NOON, NOON)
        assert after.short_count == 1


def test_last_known_day_is_no_part_of_the_known_end() -> None:
    """It came before: where it is missing now, the source lost it."""
    reading = ListingReading(1, known_until=TODAY + 50 * DAY, short_count=3)
    assert is_known_end(task(reading), Days(TODAY + 51 * DAY, MIRRORED.last))
    assert not is_known_end(task(reading), Days(TODAY + 50 * DAY, MIRRORED.last))


def test_days_missing_in_the_middle_are_always_missed() -> None:
    """However often: only at its end a calendar may really have no days."""
    gap = Days(TODAY + 10 * DAY, TODAY + 12 * DAY)
    before = ListingReading(1, read_at=NOON - DAY, known_until=MIRRORED.last, short_count=3)
    after = judge_whole_reading(task(before), [gap], NOON, NOON)
    assert (after.known_until, after.short_count, after.missing_days) == (MIRRORED.last, 0, 3)
    everything = judge_whole_reading(task(before), [MIRRORED], NOON, NOON)
    assert (everything.short_count, everything.missing_days) == (0, len(MIRRORED))


@pytest.mark.parametrize(
    ("problems", "error", "first", "again"),
    [
        (Problems(), None, True, True),
        (
            Problems(missing=3, short=2),
            "3 days of 2 listings did not come, though asked for again in parts",
            True,
            True,
        ),
        (Problems(missing=3, short=2, is_repeated=True), "3 days of 2 listings did not come", False, False),
        (Problems(failed=2, first_failure="why"), "2 calendars could not be read: why", True, False),
        (Problems(missing=1, short=1, failed=1, first_failure="why"), "1 calendars could not be read", True, False),
    ],
)
def test_first_problem_of_a_kind_is_accepted(
    problems: Problems, error: str | None, *, first: bool, again: bool
) -> None:
    """A failure counts when the run before failed, too; missing days when they were missing before."""
    assert (problems.describe() or "").startswith(error or "")
    assert (problems.describe() is None) == (error is None)
    assert problems.is_first(has_failed_before=False) is first
    assert problems.is_first(has_failed_before=True) is again


def test_due_days_of_a_listing_are_due_in_linked_ones() -> None:
    """In both directions, not further than one link, and only where they are not due yet."""
    first, second = Days(TODAY, TODAY + DAY), Days(TODAY + 5 * DAY, TODAY + 6 * DAY)
    parent = ListingReading(1, linked=frozenset({1, 2, 3, 9}))
    assert spread_marks([parent, ListingReading(2, due=first), ListingReading(3)]) == {1: first}
    assert spread_marks([replace(parent, due=first), ListingReading(2, due=second), ListingReading(3)]) == {
        1: Days(first.first, second.last),
        2: Days(first.first, second.last),
        3: first,
    }
    assert spread_marks([replace(parent, due=first), ListingReading(2, due=first), ListingReading(3, due=first)]) == {}
    assert spread_marks([ListingReading(4, due=first), ListingReading(5)]) == {}
