from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.kinds.absences import UNLISTED_FOR, Absences, LiveObject, judge_absences
from hostaway_sync.model.kinds.choice import ResourceChoice, choose_resources
from hostaway_sync.model.kinds.kind import (
    DAILY,
    MONTHLY,
    REFUSED_LISTS,
    REFUSED_PERIOD,
    WEEKLY,
    Kind,
    KindReading,
    ResourceSet,
    Scope,
)
from hostaway_sync.sync import plan as run_plan
from hostaway_sync.sync.kinds.plan import (
    FAILED_PERIOD,
    KindTask,
    Outcome,
    Urge,
    after_failure,
    after_reading,
    after_refusal,
    select_tasks,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REVIEWS = Kind("reviews", whole_every=MONTHLY, columns=("rating",))
FEES = Kind("listing_fee_settings", Scope.LISTING, every=WEEKLY)
COUPONS = Kind("coupons", resource_set=ResourceSet.TEXTS)


def task(kind: Kind = REVIEWS, reading: KindReading | None = None, *, is_whole: bool = True) -> KindTask:
    """Return a task for a list of a kind."""
    return KindTask(kind, reading or KindReading(kind.name), is_whole, "")


def test_list_that_was_never_read_is_read_whole() -> None:
    """The account has one list of reviews."""
    (due,) = select_tasks(REVIEWS, [], [], NOON)
    assert (due.is_whole, due.reading.parent, due.why) == (True, None, "reviews: for the first time")


@pytest.mark.parametrize(
    ("due_in", "is_due"), [(-HOUR, True), (timedelta(0), True), (HOUR, False), (DAILY, False), (DAILY + HOUR, True)]
)
def test_list_is_read_in_its_turn(due_in: timedelta, *, is_due: bool) -> None:
    """A turn further ahead than a period comes from a clock that was ahead."""
    known = KindReading("reviews", read_at=NOON - DAY, whole_at=NOON - DAY, due_at=NOON + due_in)
    assert bool(select_tasks(REVIEWS, [known], [], NOON)) is is_due


@pytest.mark.parametrize(
    ("whole_at", "is_whole"), [(None, True), (NOON - MONTHLY, True), (NOON - MONTHLY + HOUR, False)]
)
def test_list_with_a_window_is_sometimes_read_whole(whole_at: datetime | None, *, is_whole: bool) -> None:
    """Between two such readings only objects that may still change are read."""
    known = KindReading("reviews", read_at=NOON - DAY, whole_at=whole_at, due_at=NOON)
    (due,) = select_tasks(REVIEWS, [known], [], NOON)
    assert due.is_whole is is_whole
    (urged,) = select_tasks(REVIEWS, [known], [], NOON, urge=Urge.WHOLE)
    assert urged.is_whole


def test_each_live_listing_has_a_list_of_its_own() -> None:
    """Lists never read come first, then the longest overdue; a missing listing has none."""
    known = [
        KindReading("listing_fee_settings", 2, read_at=NOON, due_at=NOON - HOUR),
        KindReading("listing_fee_settings", 3, read_at=NOON, due_at=NOON - 2 * HOUR),
        KindReading("listing_fee_settings", 4, read_at=NOON, due_at=NOON + HOUR),
        KindReading("listing_fee_settings", 9, read_at=NOON, due_at=NOON - HOUR),
        KindReading("listing_tax_settings", 1, read_at=NOON, due_at=NOON + HOUR),
    ]
    due = select_tasks(FEES, known, [1, 2, 3, 4], NOON)
    assert [one.reading.parent for one in due] == [1, 3, 2]


def test_named_lists_are_read_before_their_turn() -> None:
    """Also those that the platform refused."""
    known = KindReading("reviews", read_at=NOON, whole_at=NOON, due_at=NOON + DAY, refused_at=NOON)
    assert select_tasks(REVIEWS, [known], [], NOON) == []
    (due,) = select_tasks(REVIEWS, [known], [], NOON, urge=Urge.ALL)
    assert not due.is_whole


def test_lists_of_a_kind_outside_the_plan_are_not_read() -> None:
    """The account stores the refusal, and tries again after a week."""
    closed = KindReading("listing_fee_settings", refused_at=NOON, due_at=NOON + REFUSED_PERIOD)
    assert select_tasks(FEES, [closed], [1, 2], NOON + DAY) == []
    assert len(select_tasks(FEES, [closed], [1, 2], NOON + REFUSED_PERIOD)) == 2
    assert len(select_tasks(FEES, [closed], [1, 2], NOON + DAY, urge=Urge.ALL)) == 2


def test_kind_with_refusals_only_is_outside_the_plan() -> None:
    """One list that was read proves the contrary."""
    assert Outcome(forbidden=REFUSED_LISTS).shows_closed_kind
    assert not Outcome(forbidden=REFUSED_LISTS - 1).shows_closed_kind
    assert not Outcome(read=1, forbidden=REFUSED_LISTS).shows_closed_kind


def test_partial_reading_leaves_the_whole_one_due() -> None:
    """The next turn comes within a period, and not before half of it."""
    before = KindReading("reviews", read_at=NOON - DAY, whole_at=NOON - 3 * DAY, due_at=NOON - DAY, refused_at=NOON)
    part = after_reading(7, task(reading=before, is_whole=False), NOON)
    assert (part.read_at, part.whole_at, part.refused_at) == (NOON, NOON - 3 * DAY, None)
    assert part.due_at is not None
    assert NOON + DAILY / 2 <= part.due_at <= NOON + DAILY
    assert after_reading(7, task(reading=before), NOON).whole_at == NOON


def test_list_keeps_its_hour_unless_it_was_refused() -> None:
    """A refused list was due in another rhythm, so that its next turn is chosen anew."""
    before = KindReading("reviews", read_at=NOON - DAY, due_at=NOON - 2 * HOUR)
    assert after_reading(7, task(reading=before), NOON).due_at == NOON - 2 * HOUR + DAILY
    anew = after_reading(7, task(reading=replace(before, due_at=None)), NOON).due_at
    assert after_reading(7, task(reading=replace(before, refused_at=NOON - DAY)), NOON).due_at == anew
    assert anew != NOON - 2 * HOUR + DAILY


def test_suspiciously_many_missing_objects_need_a_person() -> None:
    """By default none of them is marked."""
    live = [LiveObject(str(number), NOON - DAY, is_older=True) for number in range(9)]
    found = judge_absences(live, set(), NOON, is_sudden=lambda _, __: True)
    assert (found.gone, found.are_doubted) == ((), True)


def test_object_is_marked_after_exactly_the_set_time() -> None:
    """A moment sooner it is not."""
    live = [
        LiveObject("1", NOON - UNLISTED_FOR, is_older=True),
        LiveObject("2", NOON - UNLISTED_FOR + timedelta(seconds=1), is_older=True),
    ]
    assert judge_absences(live, set(), NOON, is_sudden=lambda _, __: False).gone == ("1",)


def test_a_whole_reading_tells_what_it_left_out() -> None:
    """An unread part and an object that was written since tell nothing; other lists of the kind count, too."""
    live = [
        LiveObject("met"),
        LiveObject("back", NOON - DAY),
        LiveObject("new", NOON - DAY, is_older=False),
        LiveObject("other/1", NOON - DAY),
        LiveObject("first"),
        LiveObject("lately", NOON - HOUR),
        LiveObject("long", NOON - DAY),
    ]

    def judge(*, is_sudden: bool, accept: bool = False) -> Absences:
        def answer(unlisted: int, live: int) -> bool:
            assert (unlisted, live) == (5, 27)
            return is_sudden

        return judge_absences(
            live,
            {"met", "back"},
            NOON,
            unread=["other/"],
            elsewhere=(2, 20),
            is_sudden=answer,
            accept=accept,
        )

    left_out = Absences(first=("first",), again=("back",), unlisted=5, live=27)
    assert judge(is_sudden=False) == judge(is_sudden=False, accept=True) == replace(left_out, gone=("long",))
    assert judge(is_sudden=True) == replace(left_out, are_doubted=True)
    assert judge(is_sudden=True, accept=True) == replace(left_out, gone=("first", "lately", "long"))
    listed = judge_absences(live[:2], {"met", "back"}, NOON, is_sudden=lambda _, __: True)
    assert listed == Absences(again=("back",), live=2)


def test_turns_are_spread_over_accounts_and_kinds() -> None:
    """Otherwise a fleet that starts together would read all its lists at once for ever."""
    turns = {after_reading(number, task(), NOON).due_at for number in range(100)}
    assert len(turns) > 90


def test_refused_list_waits_a_week_and_a_failed_one_an_hour() -> None:
    """Earlier readings stay known."""
    known = task(reading=KindReading("reviews", read_at=NOON - DAY, whole_at=NOON - DAY))
    refused, failed = after_refusal(known, NOON), after_failure(known, NOON)
    assert (refused.due_at, refused.refused_at) == (NOON + REFUSED_PERIOD, NOON)
    assert (failed.due_at, failed.refused_at) == (NOON + FAILED_PERIOD, None)
    assert refused.read_at == failed.read_at == NOON - DAY


def test_sentence_of_a_kind_names_failures_first() -> None:
    """A refusal is no failure."""
    assert Outcome(read=2, refused=1).describe() is None
    assert Outcome(failed=1, first_failure="x", braked=("y",), doubtful=1, first_doubt="z").describe() == "x"
    assert Outcome(braked=("y",), doubtful=1, first_doubt="z").describe() == "y"
    assert Outcome(doubtful=1, first_doubt="z").describe() == "not read whole: z"


LIVE = st.builds(
    LiveObject,
    st.integers(1, 40).map(str),
    st.none() | st.integers(0, 20).map(lambda hours: NOON - hours * HOUR),
    st.booleans(),
)


@given(
    live=st.lists(LIVE, max_size=40, unique_by=lambda one: one.id),
    met=st.sets(st.integers(1, 40).map(str)),
    accept=st.booleans(),
)
def test_object_missing_from_two_readings_is_marked(live: list[LiveObject], met: set[str], *, accept: bool) -> None:
    """Hours apart; and none of many at once, unless --accept-missing allows it."""
    found = judge_absences(live, met, NOON, is_sudden=run_plan.is_sudden, accept=accept)
    left_out = {one.id for one in live if one.is_older} - met
    twice = {one.id for one in live if one.unlisted_since is not None and NOON - one.unlisted_since >= UNLISTED_FOR}
    is_sudden = run_plan.is_sudden(len(left_out), len(live))
    if not is_sudden:
        assert set(found.gone) == left_out & twice
    else:
        assert set(found.gone) == (left_out if accept else set())
    assert found.are_doubted is (is_sudden and not accept)
    assert set(found.first) == {one.id for one in live if one.unlisted_since is None} & left_out
    assert set(found.again) == {one.id for one in live if one.unlisted_since is not None} & met
    assert (found.unlisted, found.live) == (len(left_out), len(live))


KNOWN = (REVIEWS, FEES, COUPONS)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["default"], ResourceChoice((REVIEWS, FEES), has_calendar=True)),
        (["texts"], ResourceChoice((COUPONS,))),
        (["calendar", "coupons"], ResourceChoice((COUPONS,), has_calendar=True)),
        (["default", "texts"], ResourceChoice(KNOWN, has_calendar=True)),
        (["none"], ResourceChoice()),
    ],
)
def test_names_choose_sets_or_single_resources(names: list[str], chosen: ResourceChoice) -> None:
    """In the order in which a run reads them."""
    assert choose_resources(names, KNOWN) == chosen


KNOWN_NAMES = (
    "there are only the sets default, finance, people, texts, "
    "the resources calendar, coupons, listing_fee_settings, reviews, and `none` alone"
)


@pytest.mark.parametrize("names", [["finanz"], ["default", "none"], ["Default"]])
def test_unknown_name_is_refused_with_the_known_ones(names: list[str]) -> None:
    """So is `none` beside another name, which contradicts it."""
    with pytest.raises(ValueError, match=KNOWN_NAMES):
        choose_resources(names, KNOWN)
