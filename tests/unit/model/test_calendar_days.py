from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.calendar.days import CalendarAnswer, CalendarDay, Days, check_answer, find_gaps
from hostaway_sync.model.calendar.facts import CalendarTerms
from hostaway_sync.model.calendar.stays import Stay, find_touched_days, merge_days

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = date(2026, 3, 1)
DAY = timedelta(days=1)
STRETCHES = st.builds(
    lambda start, length: Days(FIRST + start * DAY, FIRST + (start + length) * DAY),
    st.integers(-400, 400),
    st.integers(0, 800),
)
STAYS = st.none() | st.builds(
    Stay,
    listing_id=st.sampled_from([None, 1, 2]),
    arrival=st.none() | st.dates(),
    departure=st.none() | st.dates(),
    is_taking=st.booleans(),
)


def day(number: int, digest: bytes = b"") -> CalendarDay:
    """Return a day so many days after the first."""
    return CalendarDay(FIRST + number * DAY, digest)


@given(asked=STRETCHES, received=st.lists(st.integers(-500, 1300)))
def test_every_requested_day_is_kept_once_or_missing(asked: Days, received: list[int]) -> None:
    """Whatever came: repeated, unordered, or other days."""
    checked = check_answer(CalendarAnswer(asked, [day(number) for number in received], NOON))
    kept = [one.date for one in checked.days]
    assert kept == sorted({FIRST + number * DAY for number in received if FIRST + number * DAY in asked})
    missing = [gap.first + number * DAY for gap in checked.missing for number in range(len(gap))]
    assert sorted([*kept, *missing]) == [asked.first + number * DAY for number in range(len(asked))]


def test_missing_days_are_as_few_stretches_as_possible() -> None:
    """At both ends and in the middle; none is empty, and no two of them touch."""
    received = {FIRST + number * DAY for number in (1, 2, 5)}
    ends = [(FIRST, FIRST), (FIRST + 3 * DAY, FIRST + 4 * DAY), (FIRST + 6 * DAY, FIRST + 7 * DAY)]
    assert find_gaps(Days(FIRST, FIRST + 7 * DAY), received) == tuple(Days(*one) for one in ends)
    assert find_gaps(Days(FIRST, FIRST), {FIRST}) == ()


def test_stretch_lists_each_of_its_days() -> None:
    """One that ends before it begins has no days."""
    assert Days(FIRST, FIRST + 2 * DAY).list_days() == [FIRST, FIRST + DAY, FIRST + 2 * DAY]
    assert (len(Days(FIRST, FIRST)), Days(FIRST, FIRST).list_days()) == (1, [FIRST])
    before = Days(FIRST, FIRST - DAY)
    assert (len(before), before.list_days()) == (0, [])


@pytest.mark.parametrize(("length", "halves"), [(61, None), (62, (31, 31)), (63, (31, 32)), (100, (50, 50))])
def test_request_is_halved_down_to_a_month(length: int, halves: tuple[int, int] | None) -> None:
    """The longer half is the later one."""
    split = Days(FIRST, FIRST + (length - 1) * DAY).split()
    assert (None if split is None else tuple(map(len, split))) == halves


def test_last_entry_of_a_repeated_day_counts() -> None:
    """As in any answer whose rows repeat an id without a stamp."""
    checked = check_answer(CalendarAnswer(Days(FIRST, FIRST), [day(0, b"old"), day(0, b"new")], NOON))
    assert [one.payload_hash for one in checked.days] == [b"new"]


@given(STRETCHES)
def test_halves_of_a_request_make_the_whole(days: Days) -> None:
    """Both requests have at least a month; shorter stretches are not split."""
    halves = days.split()
    if len(days) < 62:
        assert halves is None
    else:
        assert halves is not None
        left, right = halves
        assert (left.first, right.last, right.first - left.last) == (days.first, days.last, DAY)
        assert min(len(left), len(right)) >= 31
        assert find_gaps(days, [left.first, right.last]) != ()


@pytest.mark.parametrize(
    ("other", "common"),
    [((5, 9), (5, 9)), ((-5, 3), (0, 3)), ((8, 99), (8, 10)), ((-9, -1), None), ((11, 12), None)],
)
def test_stretches_have_days_in_common(other: tuple[int, int], common: tuple[int, int] | None) -> None:
    """A stretch includes its first and its last day."""
    ours = Days(FIRST, FIRST + 10 * DAY)
    theirs = Days(FIRST + other[0] * DAY, FIRST + other[1] * DAY)
    assert ours.intersect(theirs) == (
        None if common is None else Days(FIRST + common[0] * DAY, FIRST + common[1] * DAY)
    )


@given(before=STAYS, after=STAYS)
def test_change_touches_the_days_of_both_stays(before: Stay | None, after: Stay | None) -> None:
    """The old and the new days, and none if both are the same."""
    touched = find_touched_days(before, after)
    taken = {stay.days for stay in (before, after) if stay is not None} - {None}
    if before is not None and after is not None and before.days == after.days:
        assert touched == []
    else:
        assert set(touched) == taken
    for listing_id, days in merge_days(touched).items():
        assert all(days.first <= one.first <= one.last <= days.last for number, one in touched if number == listing_id)


def test_a_moved_stay_touches_its_old_and_new_days() -> None:
    """In the order of the listings; one that stays the same, or that takes no days, touches none."""
    here, there = Stay(7, FIRST, FIRST, is_taking=True), Stay(3, FIRST, FIRST, is_taking=True)
    cancelled = Stay(7, FIRST, FIRST, is_taking=False)
    days = Days(FIRST - 2 * DAY, FIRST + 2 * DAY)
    assert find_touched_days(here, there) == [(3, days), (7, days)]
    for before, after in ((None, here), (here, None), (here, cancelled), (cancelled, here)):
        assert find_touched_days(before, after) == [(7, days)]
    for before, after in ((None, None), (here, here), (cancelled, None), (cancelled, cancelled)):
        assert find_touched_days(before, after) == []


def test_days_around_a_stay_belong_to_it() -> None:
    """They may be kept free for cleaning; the first and the last day of the calendar have none around them."""
    stay = Stay(7, FIRST, FIRST + 3 * DAY, is_taking=True)
    assert stay.days == (7, Days(FIRST - 2 * DAY, FIRST + 5 * DAY))
    assert Stay(7, date.min, date.max, is_taking=True).days == (7, Days(date.min, date.max))
    assert Stay(7, FIRST + 3 * DAY, FIRST, is_taking=True).days == stay.days


@pytest.mark.parametrize(
    "stay",
    [
        Stay(None, FIRST, FIRST, is_taking=True),
        Stay(7, None, FIRST, is_taking=True),
        Stay(7, FIRST, None, is_taking=True),
        Stay(7, FIRST, FIRST, is_taking=False),
    ],
)
def test_a_stay_without_listing_or_dates_takes_no_days(stay: Stay) -> None:
    """Nor does one whose status takes none."""
    assert stay.days is None


def test_an_account_may_choose_otherwise_than_is_usual() -> None:
    """One day ahead is enough; without any, no account has calendars."""
    usual, unusual = (CalendarTerms(1, is_usual=is_usual, exceptions=frozenset({7})) for is_usual in (True, False))
    assert [terms.is_on_for(account) for terms in (usual, unusual) for account in (7, 8)] == [False, True, True, False]
    for terms in (usual, unusual):
        assert not any(replace(terms, horizon=0).is_on_for(account) for account in (7, 8))
