"""The walks that read only new rows, against a list that changes between any two requests."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.chaos.changing_list import START, ChangingList, nameless, row, run, run_ahead, steady_list
from tests.support.examples import examples

from hostaway_sync.platforms.hostaway.paging import walk as paging_walk
from hostaway_sync.platforms.hostaway.paging.cursor_walk import walk_by_cursor
from hostaway_sync.platforms.hostaway.paging.offset_walk import walk_at_once, walk_by_offset
from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, WalkOutcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

CHANGES = st.lists(st.tuples(st.sampled_from(["insert", "touch", "touch", "delete"]), st.floats(0, 0.999)), max_size=4)
LISTS = st.fixed_dictionaries(
    {
        "size": st.integers(0, 40),
        "limit": st.integers(1, 12),
        "count": st.sampled_from(["total", "rest", "none"]),
        "moved": st.sampled_from(["restart", "empty", "refused"]),
        "deleted": st.sampled_from(["restart", "empty", "refused", "continue"]),
        "order": st.sampled_from(["newest", "newest", "id", "id_desc"]),
        "seed": st.integers(0, 999),
        "ties": st.booleans(),
        "blanks": st.booleans(),
    }
)
AGES = st.integers(955, 1005)


def minute(number: int) -> datetime:
    """Return the moment so many minutes after the start."""
    return START + timedelta(minutes=number)


def listed(*, seed: int = 7, ties: bool = False, blanks: bool = False, **switches: Any) -> ChangingList:
    """Return a list whose ids do not follow its stamps, some of which are equal or unreadable."""
    source = steady_list(**switches)
    chance = random.Random(seed)  # noqa: S311 - repeatable
    numbers = chance.sample(range(1, 100), len(source.rows))
    source.rows = [row(number, (found.id or 0)) for number, found in zip(numbers, source.rows, strict=True)]
    if ties:
        source.rows = [row(found.id or 0, 1000 - place // 4) for place, found in enumerate(source.rows)]
        source.rows.sort(key=lambda found: (found.stamp, found.id), reverse=True)
    if blanks:
        source.blank = frozenset(number for number in numbers if chance.random() < 0.2)
    return source


def due(source: ChangingList, since: datetime) -> set[int | bytes]:
    """Return the names of the rows that a walk must read, unless they change meanwhile."""
    return {
        found.name
        for found in source.rows
        if found.stamp is not None and found.stamp >= since and found.id not in source.blank
    }


@settings(max_examples=examples(500))
@given(
    switches=LISTS,
    before=CHANGES,
    script=st.lists(CHANGES, max_size=12),
    age=AGES,
    by=st.sampled_from(["cursor", "offset"]),
    ahead=st.integers(1, 4),
)
def test_walk_misses_no_new_row_without_a_doubt(
    switches: dict[str, Any],
    before: list[tuple[str, float]],
    script: list[list[tuple[str, float]]],
    age: int,
    by: str,
    ahead: int,
) -> None:
    """Whatever changed before, changes between pages and is answered then: all new rows, or a doubt."""
    assume(switches["limit"] > 1 or switches["count"] != "none")  # such a page may be the whole list
    source = listed(**switches)
    for kind, where in before:
        source.change(kind, where)
    source.touched.clear()
    expected = due(source, minute(age))
    changes = iter(script)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position) if by == "cursor" else source.by_offset(position)
        for kind, where in next(changes, []):
            source.change(kind, where)
        return page

    walk = walk_by_cursor(minute(age)) if by == "cursor" else walk_by_offset(ahead, minute(age))
    outcome, read = run_ahead(walk, answer, random.Random(ahead))  # noqa: S311 - repeatable
    assert outcome.doubt is not None or expected - source.touched <= read


def calls_down_to(size: int, limit: int, new: int, count: str) -> int:
    """Return how many requests a quiet list should take by cursor."""
    if size == 0:
        return 2 if count == "none" else 1
    if size <= limit and count != "none":
        return 1
    if new < size:
        return new // limit + 1
    return -(-size // limit) + 1 + (count == "none")


@given(
    size=st.integers(0, 40),
    limit=st.integers(2, 12),
    age=AGES,
    count=st.sampled_from(["total", "rest", "none"]),
)
def test_cursor_walk_since_takes_the_expected_calls(size: int, limit: int, age: int, count: str) -> None:
    """Nothing changes: the pages with new rows and the one that shows that there are no more."""
    source = steady_list(size, limit, count=count)
    new = due(source, minute(age))
    outcome = run(walk_by_cursor(minute(age)), source.by_cursor)
    assert outcome.total is None
    assert new <= source.read
    assert len(source.calls) == calls_down_to(size, limit, len(new), count) or (size == 1 and count == "none")
    assert (outcome.doubt is None) or (size == 1 and count == "none")


@given(size=st.integers(1, 40), limit=st.integers(3, 12), age=AGES, count=st.sampled_from(["total", "none"]))
def test_offset_walk_since_takes_the_expected_calls(size: int, limit: int, age: int, count: str) -> None:
    """Nothing changes: one request when the first page reaches below the moment or is the list."""
    source = steady_list(size, limit, count=count)
    source.rows = [row(1 + index * 27 % 41, 1000 - index) for index in range(size)]
    new = due(source, minute(age))
    outcome = run(walk_by_offset(4, minute(age)), source.by_offset)
    assert new <= source.read
    if size > 3:
        overlap = min(3, limit - 1)
        assert outcome == WalkOutcome(None, None)
        if count == "total" or len(new) < size:
            last = min(len(new) + 1, size)
            assert len(source.calls) == 1 + max(0, -(-(last - limit) // (limit - overlap)))


@pytest.mark.parametrize("walk", [walk_by_cursor, lambda since: walk_by_offset(4, since)], ids=["cursor", "offset"])
def test_list_without_new_rows_takes_one_request(walk: Callable[[datetime], paging_walk.Walk]) -> None:
    """As does a list that fits its first page, in any order."""
    for source in (
        listed(size=40, limit=10),
        listed(size=8, limit=10, blanks=True),
        listed(size=8, limit=10, order="id"),
    ):
        ask = source.by_cursor if walk is walk_by_cursor else source.by_offset
        assert run(walk(minute(995)), ask).doubt is None
        assert len(source.calls) == 1


def test_walk_reads_all_rows_of_the_moment_itself() -> None:
    """A page that ends in the middle of a second does not end the walk, one that ends below it does."""
    source = steady_list(30, 5)
    source.rows = [row(100 - index, 9 if index < 2 else 7 if index < 12 else 5) for index in range(30)]
    assert run(walk_by_cursor(minute(7)), source.by_cursor) == WalkOutcome(None, None)
    assert source.calls == [None, 96, 91]


def test_unreadable_rows_do_not_end_a_walk() -> None:
    """Neither one without a stamp at the end of a page, nor a whole page of them."""
    minutes = [9, None, 8, None, None, None, 7, None, 3, 2, 1, 0]
    source = ChangingList([row(100 - index, stamp) for index, stamp in enumerate(minutes)], 3)
    assert run(walk_by_cursor(minute(7)), source.by_cursor) == WalkOutcome(None, None)
    assert source.calls == [None, 98, 95]


def test_list_in_unknown_order_is_read_whole_by_cursor() -> None:
    """Below a rising stamp, or a page without stamps, any row may be new."""
    for minutes in ([9, 3, 2, 8, 1, 7, 6, 5], [None] * 8, [9, 8, 5, 7, 4, 3, 9, 1]):
        source = ChangingList([row(index + 1, stamp) for index, stamp in enumerate(minutes)], 4)
        assert run(walk_by_cursor(minute(4)), source.by_cursor) == WalkOutcome(None, 8)
        assert len(source.read) == 8


def test_lost_cursor_on_the_way_down_raises_a_doubt() -> None:
    """As in a walk of the whole list."""
    source = steady_list(30, 10)
    refuse = PageAnswer(refused=True)
    outcome = run(walk_by_cursor(minute(0)), lambda at: source.by_cursor(at) if at is None else refuse)
    assert outcome == WalkOutcome(paging_walk.CURSOR_LOST, None)


@pytest.mark.parametrize("order", ["id", "id_desc"])
def test_list_in_another_order_is_read_whole_by_offset(order: str) -> None:
    """The source ignored the order: a stamp below the moment does not end the walk."""
    source = listed(size=40, limit=10, order=order)
    assert run(walk_by_offset(2, minute(990)), source.by_offset) == WalkOutcome(None, 40)
    assert len(source.read) == 40
    assert len(source.calls) == 6


def test_order_that_may_be_that_of_ids_proves_nothing() -> None:
    """The newest listing may be the last edited one, or the order was ignored: all is read."""
    source = steady_list(40, 10)
    assert run(walk_by_offset(1, minute(990)), source.by_offset) == WalkOutcome(None, 40)
    assert len(source.read) == 40


def test_offset_walk_reads_on_when_order_breaks_later() -> None:
    """From there on it reads the whole list, with pages ahead and a look at the top."""
    source = listed(size=40, limit=10)
    source.blank = frozenset({source.rows[12].id or 0})
    walk = walk_by_offset(3, minute(970))
    assert next(walk) == (0,)
    assert walk.send(source.by_offset(0)) == (7,)
    assert walk.send(source.by_offset(7)) == (14, 21, 28)


def test_offset_walk_since_does_not_read_the_top_again() -> None:
    """Moved rows have stamps at which the next walk begins."""
    source = listed(size=30, limit=10)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        if len(source.calls) == 1:
            source.change("touch", 0.9)
        return page

    assert run(walk_by_offset(1, minute(0)), answer) == WalkOutcome(None, None)
    assert source.calls.count(0) == 1


def test_empty_page_before_the_moment_raises_a_doubt() -> None:
    """No offset below zero is requested."""
    source = listed(size=40, limit=10)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        return page if len(source.calls) < 4 else PageAnswer((), 40)

    assert run(walk_by_offset(1, minute(0)), answer).doubt == paging_walk.NO_OVERLAP
    assert min(position or 0 for position in source.calls) == 0


def test_pages_without_overlap_before_the_moment_raise_a_doubt() -> None:
    """Rows may have been skipped between them."""
    source = listed(size=40, limit=10)
    strangers = [nameless(str(index), 950 - index) for index in range(10)]

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        return page if len(source.calls) < 4 else PageAnswer(strangers, 40)

    assert run(walk_by_offset(1, minute(945)), answer) == WalkOutcome(paging_walk.NO_OVERLAP, None)


ONE, TWO = row(1, 1), row(2, 2)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([PageAnswer([ONE])], WalkOutcome(None, 1)),
        ([PageAnswer([ONE, TWO], 2)], WalkOutcome(None, 2)),
        ([PageAnswer((), 0)], WalkOutcome(None, 0)),
        ([PageAnswer(), PageAnswer()], WalkOutcome(None, 0)),
        ([PageAnswer(), PageAnswer([ONE])], WalkOutcome(None, 1)),
        ([PageAnswer((), 1), PageAnswer((), 1), PageAnswer((), 1)], WalkOutcome(paging_walk.ENDED_EARLY, 1)),
        ([PageAnswer((), 1), PageAnswer([ONE], 1)], WalkOutcome(None, 1)),
        ([PageAnswer([ONE, TWO, row(3)])] * 4, WalkOutcome(paging_walk.NOTHING_NEW, None)),
    ],
)
def test_list_in_one_answer_takes_one_request(answers: list[PageAnswer], outcome: WalkOutcome) -> None:
    """One more where it is empty without a count; by offset where its count is greater, or it may be cut."""
    left = iter(answers)
    assert run(walk_at_once(3, 4), lambda _: next(left)) == outcome
    assert not list(left)


def test_long_list_of_a_parent_is_read_by_offset() -> None:
    """Its count says that there is more, whatever the API's documentation says."""
    source = steady_list(20, 8)
    assert run(walk_at_once(10, 1), source.by_offset) == WalkOutcome(None, 20)
    assert len(source.read) == 20


def test_list_in_one_answer_is_requested_from_its_top() -> None:
    """Also when it is requested again because it was empty."""
    walk = walk_at_once(3, 4)
    assert next(walk) == (0,)
    assert walk.send(PageAnswer()) == (0,)
