"""The two walks, against a list that changes between any two requests."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.chaos.changing_list import START, ChangingList, nameless, row, run, run_ahead, steady_list
from tests.support.examples import examples

from hostaway_sync.platforms.hostaway.paging import walk as paging_walk
from hostaway_sync.platforms.hostaway.paging.cursor_walk import walk_by_cursor
from hostaway_sync.platforms.hostaway.paging.offset_walk import walk_by_offset
from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, WalkOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.platforms.hostaway.paging.walk import Walk

CHANGES = st.lists(st.tuples(st.sampled_from(["insert", "touch", "touch", "delete"]), st.floats(0, 0.999)), max_size=4)
SIZES = st.integers(0, 40)
LIMITS = st.integers(1, 12)
COUNTS = st.sampled_from(["total", "rest", "none"])


def expected_calls(size: int, limit: int, count: str) -> int:
    """Return how many requests a quiet list should take by cursor."""
    if size == 0:
        return 2 if count == "none" else 1
    if size <= limit and count != "none":
        return 1
    confirming = 1 if count == "none" else 0
    return -(-size // limit) + 1 + confirming + 1


@given(size=SIZES, limit=st.integers(2, 12), count=COUNTS)
def test_cursor_walk_takes_the_expected_calls(size: int, limit: int, count: str) -> None:
    """Nothing changes: every row comes, without doubt, and no request is wasted."""
    assume(size != 1 or count != "none")
    source = steady_list(size, limit, count=count)
    outcome = run(walk_by_cursor(), source.by_cursor)
    assert outcome == WalkOutcome(None, None if count == "none" else size)
    assert source.read == {found.name for found in source.rows}
    assert len(source.calls) == expected_calls(size, limit, count)


@settings(max_examples=examples(400))
@given(
    size=SIZES,
    limit=LIMITS,
    count=COUNTS,
    moved=st.sampled_from(["restart", "empty", "refused"]),
    deleted=st.sampled_from(["restart", "empty", "refused", "continue"]),
    script=st.lists(CHANGES, max_size=12),
    ties=st.booleans(),
    blanks=st.sets(st.integers(960, 1000) | st.integers(10_001, 10_020), max_size=12),
)
def test_cursor_walk_misses_no_untouched_row_without_doubt(
    size: int,
    limit: int,
    count: str,
    moved: str,
    deleted: str,
    script: list[list[tuple[str, float]]],
    ties: bool,  # noqa: FBT001  (a value drawn for the test)
    blanks: set[int],
) -> None:
    """Whatever changes between pages, and whatever the source answers: all untouched rows, or a doubt."""
    source = steady_list(size, limit, count=count, moved=moved, deleted=deleted)
    if ties:
        source.rows = [found._replace(stamp=START + timedelta(minutes=(found.id or 0) // 4)) for found in source.rows]
    source.blank = frozenset(blanks)
    untouched = {found.id for found in source.rows}
    changes = iter(script)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position)
        for kind, where in next(changes, []):
            source.change(kind, where)
        return page

    outcome = run(walk_by_cursor(), answer)
    assert outcome.doubt is not None or untouched - source.touched <= source.read


@given(size=SIZES, limit=st.integers(2, 12), count=st.sampled_from(["total", "none"]), ahead=st.integers(1, 5))
def test_offset_walk_takes_the_expected_calls(size: int, limit: int, count: str, ahead: int) -> None:
    """Nothing changes: every row comes, without doubt, and the count saves the last request."""
    source = steady_list(size, limit, count=count)
    outcome = run(walk_by_offset(ahead), source.by_offset)
    assert source.read == {found.name for found in source.rows}
    assert outcome == WalkOutcome(None, None if count == "none" else size)
    if count == "total":
        overlap = min(3, limit - 1)
        further = max(0, size - limit)
        assert len(source.calls) == 1 + -(-further // (limit - overlap))


@settings(max_examples=examples(400))
@given(
    size=SIZES,
    limit=LIMITS,
    script=st.lists(CHANGES, max_size=12),
    count=st.sampled_from(["total", "none"]),
    ahead=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_offset_walk_misses_no_untouched_row_without_doubt(
    size: int, limit: int, script: list[list[tuple[str, float]]], count: str, ahead: int, seed: int
) -> None:
    """Whatever changes between pages, fetched ahead or not: all untouched rows, or a doubt."""
    assume(limit > 1 or count != "none")  # a page of one row, without a count, may be the whole list
    source = steady_list(size, limit, count=count)
    untouched = {found.id for found in source.rows}
    changes = iter(script)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        for kind, where in next(changes, []):
            source.change(kind, where)
        return page

    outcome, read = run_ahead(walk_by_offset(ahead), answer, random.Random(seed))  # noqa: S311 - repeatable
    assert outcome.doubt is not None or untouched - source.touched <= read


def script_of(*answers: PageAnswer) -> Callable[[int | None], PageAnswer]:
    """Return a function that gives these answers in order, whatever is requested."""
    left = iter(answers)
    return lambda _: next(left)


def test_list_that_fits_its_first_page_takes_one_request() -> None:
    """One answer is one moment: no row can have moved."""
    source = steady_list(5, 10)
    assert run(walk_by_cursor(), source.by_cursor) == WalkOutcome(None, 5)
    assert source.calls == [None]


def test_total_is_that_of_the_last_read_of_the_top() -> None:
    """The catch-up reads a row that was added during the walk, and its count is reported."""
    source = steady_list(10, 4)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position)
        if len(source.calls) == 2:
            source.change("insert", 0)
        return page

    assert run(walk_by_cursor(), answer) == WalkOutcome(None, 11)
    assert source.clock in source.read


@pytest.mark.parametrize("walk", [walk_by_cursor, lambda: walk_by_offset(4)], ids=["cursor", "offset"])
def test_empty_first_page_with_count_zero_is_the_list(walk: Callable[[], Walk]) -> None:
    """An account without rows takes one request."""
    assert run(walk(), script_of(PageAnswer((), 0))) == WalkOutcome(None, 0)


@pytest.mark.parametrize("walk", [walk_by_cursor, lambda: walk_by_offset(4)], ids=["cursor", "offset"])
def test_empty_first_page_is_requested_again(walk: Callable[[], Walk]) -> None:
    """A single empty answer may be a fault."""
    assert run(walk(), script_of(PageAnswer((), 1), PageAnswer((row(1),), 1))) == WalkOutcome(None, 1)
    assert run(walk(), script_of(PageAnswer((), 1), PageAnswer((), 1))) == WalkOutcome(paging_walk.ENDED_EARLY, 1)
    assert run(walk(), script_of(PageAnswer(), PageAnswer())) == WalkOutcome(None, None)


def test_early_empty_page_is_followed_by_a_step_back() -> None:
    """The page after it shows where the list continues."""
    source = steady_list(12, 4)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position)
        return PageAnswer((), 12) if len(source.calls) == 2 else page

    assert run(walk_by_cursor(), answer) == WalkOutcome(None, 12)
    assert source.calls[:4] == [None, 997, 998, 994]
    assert len(source.read) == 12


def test_empty_pages_below_a_cursor_raise_a_doubt() -> None:
    """After a few steps back the walk reports that rows may be missing."""
    source = steady_list(30, 10)
    outcome = run(walk_by_cursor(), lambda at: source.by_cursor(at) if at is None else PageAnswer((), 30))
    assert outcome == WalkOutcome(paging_walk.ENDED_EARLY, 30)


def test_source_that_refuses_every_cursor_raises_a_doubt() -> None:
    """One refused cursor is no error of the walk, but all of them are a doubt."""
    source = steady_list(30, 10)
    outcome = run(walk_by_cursor(), lambda at: source.by_cursor(at) if at is None else PageAnswer(refused=True))
    assert outcome == WalkOutcome(paging_walk.CURSOR_LOST, 30)


def test_empty_page_proves_no_end_where_a_row_counted_twice() -> None:
    """A deleted cursor restarts the list with a row without a stamp, which may have been read before."""
    source = steady_list(5, 2, deleted="restart", blank=frozenset({10_001}))

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position)
        if len(source.calls) == 2:
            source.change("delete", 3 / 5)
            source.change("insert", 0.0)
        return page if len(source.calls) != 4 else PageAnswer((), 5)

    assert run(walk_by_cursor(), answer) == WalkOutcome(None, 5)
    assert source.calls[2:4] == [997, 10_001]
    assert 996 in source.read


@pytest.mark.parametrize("stamps", [True, False])
def test_source_that_ignores_the_cursor_raises_a_doubt(stamps: bool) -> None:  # noqa: FBT001  (a value drawn for the test)
    """A repeated page ends the walk, with and without a known order."""
    first = tuple(row(100 - index, 100 - index if stamps else None) for index in range(10))
    calls: list[int | None] = []

    def answer(position: int | None) -> PageAnswer:
        calls.append(position)
        return PageAnswer(first, 30)

    assert run(walk_by_cursor(), answer) == WalkOutcome(paging_walk.NOTHING_NEW, 30)
    assert len(calls) < 10


@pytest.mark.parametrize("minutes", [[1, 5, 3, 9, 2, 4, 8, 7], [None] * 8], ids=["rising", "unreadable"])
def test_list_in_unknown_order_is_read_to_its_end(minutes: list[int | None]) -> None:
    """Without an order every page is read, and its end is confirmed from a step back."""
    source = ChangingList([row(index + 1, minute) for index, minute in enumerate(minutes)], 3)
    assert run(walk_by_cursor(), source.by_cursor) == WalkOutcome(None, 8)
    assert len(source.read) == 8


def test_changed_list_in_unknown_order_raises_a_doubt() -> None:
    """Without an order the walk cannot tell where a row moved."""
    source = ChangingList([row(index + 1, minute) for index, minute in enumerate([1, 5, 3, 9, 2, 4, 8, 7])], 3)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position)
        if len(source.calls) == 2:
            source.change("touch", 0.9)
        return page

    assert run(walk_by_cursor(), answer).doubt == paging_walk.ORDER_UNKNOWN


def test_top_page_without_stamps_raises_a_doubt_after_changes() -> None:
    """Moved rows may be below it: whether it reaches down to the read rows is not known."""
    source = steady_list(12, 3)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position)
        if len(source.calls) == 2:
            for where in (0.5, 0.9, 0.9, 0.9):
                source.change("touch", where)
            source.blank = frozenset(found.id or 0 for found in source.rows[:3])
        return page

    assert run(walk_by_cursor(), answer) == WalkOutcome(paging_walk.ORDER_UNKNOWN, 12)


def test_rows_without_a_stamp_neither_end_nor_order_a_walk() -> None:
    """The judgement of the order skips a row with an unreadable stamp."""
    minutes = [9, None, 8, 7, None, 6, 5, None]
    source = ChangingList([row(index + 1, minute) for index, minute in enumerate(minutes)], 3)
    assert run(walk_by_cursor(), source.by_cursor) == WalkOutcome(None, 8)
    assert len(source.calls) == 5


def test_rows_of_one_second_are_read_in_any_order() -> None:
    """Within a second ids fall as a rule, but the walk does not rely on it."""
    source = ChangingList([row(number, 7) for number in (3, 9, 1, 7, 2, 8, 4, 6)], 3)
    assert run(walk_by_cursor(), source.by_cursor) == WalkOutcome(None, 8)
    assert len(source.read) == 8


def test_rows_without_ids_are_read_and_never_used_as_cursors() -> None:
    """The last row that has an id is the cursor."""
    rows = [row(9, 9), nameless("a", 8), row(7, 7), nameless("b", 6), row(5, 5), nameless("c"), nameless("d", 3)]
    source = ChangingList(rows, 2)
    outcome = run(walk_by_cursor(), source.by_cursor)
    assert source.read == {found.name for found in rows}
    assert outcome.total == 7


def test_count_smaller_than_the_page_is_ignored() -> None:
    """A source whose count is no total is read to the end."""
    source = steady_list(9, 4)
    outcome = run(walk_by_cursor(), lambda at: PageAnswer(source.by_cursor(at).rows, 2))
    assert outcome.doubt is None
    assert len(source.read) == 9


@pytest.mark.parametrize("by", ["cursor", "offset"])
@given(size=st.integers(5, 30), limit=st.integers(4, 10), data=st.data())
def test_empty_page_proves_no_end_with_a_wrong_count(by: str, size: int, limit: int, data: st.DataObject) -> None:
    """A count below the number of received rows counts something else."""
    source = steady_list(size, min(limit, size - 1))
    counted = data.draw(st.integers(0, source.limit - 1))
    empty = data.draw(st.integers(2, 8))
    read: set[int | bytes] = set()

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position) if by == "cursor" else source.by_offset(position)
        rows = () if len(source.calls) == empty else page.rows
        read.update(found.name for found in rows)
        return PageAnswer(rows, counted)

    outcome = run(walk_by_cursor() if by == "cursor" else walk_by_offset(3), answer)
    assert outcome.doubt is not None or read == {found.name for found in source.rows}


@given(size=st.integers(5, 30), limit=st.integers(4, 10), data=st.data())
def test_offset_walk_reads_to_the_end_when_count_is_wrong(size: int, limit: int, data: st.DataObject) -> None:
    """Without a doubt: a missing count does not mean that a row was missed."""
    source = steady_list(size, min(limit, size - 1))
    counted = data.draw(st.integers(0, source.limit - 1))
    outcome = run(walk_by_offset(3), lambda at: PageAnswer(source.by_offset(at).rows, counted))
    assert outcome.doubt is None
    assert source.read == {found.name for found in source.rows}


def test_list_that_never_rests_raises_a_doubt() -> None:
    """The top moves by more than a page in every round."""
    source = steady_list(12, 3)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_cursor(position)
        if position is None:
            for _ in range(4):
                source.change("insert", 0)
        return page

    assert run(walk_by_cursor(), answer) == WalkOutcome(paging_walk.CHANGES_TOO_FAST, 32)


def test_offsets_ahead_are_limited_by_pages_in_flight() -> None:
    """Once the count is known, the next pages are known; each overlaps the one before by three rows."""
    source = steady_list(40, 10)
    walk = walk_by_offset(3)
    assert next(walk) == (0,)
    assert walk.send(source.by_offset(0)) == (7, 14, 21)
    assert walk.send(source.by_offset(7)) == (14, 21, 28)


def test_step_is_the_number_of_received_rows() -> None:
    """The source may send fewer than the limit."""
    source = steady_list(15, 5)
    assert run(walk_by_offset(1), source.by_offset) == WalkOutcome(None, 15)
    assert source.calls == [0, 2, 4, 6, 8, 10]


def test_page_without_overlap_is_requested_further_up() -> None:
    """Rows deleted above would hide as many below."""
    source = steady_list(40, 10)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        if len(source.calls) == 2:
            del source.rows[:9]
        return page

    outcome = run(walk_by_offset(1), answer)
    assert outcome.doubt is None
    assert {found.name for found in source.rows} <= source.read
    assert source.calls[2:4] == [14, 4]


def test_pages_that_never_overlap_raise_a_doubt() -> None:
    """The readable pages are read, and the doubt stays."""
    source = steady_list(50, 10)
    others = iter(range(5000, 9000))

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        return page if len(source.calls) < 5 else PageAnswer(tuple(row(next(others)) for _ in page.rows), 50)

    assert run(walk_by_offset(1), answer) == WalkOutcome(paging_walk.NO_OVERLAP, 50)
    assert source.calls[4:8] == [28, 18, 8, 15]


def test_source_that_ignores_the_offset_raises_a_doubt() -> None:
    """The same page twice more ends the walk."""
    first = tuple(row(index) for index in range(1, 11))
    assert run(walk_by_offset(4), lambda _: PageAnswer(first, 300)) == WalkOutcome(paging_walk.NOTHING_NEW, 300)


def test_rows_that_moved_to_the_top_are_found_there() -> None:
    """Fewer rows than the count mean that some moved to the top, so that it is read again."""
    source = steady_list(30, 10)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        if len(source.calls) == 1:
            source.change("touch", 0.9)
        return page

    assert run(walk_by_offset(1), answer) == WalkOutcome(None, 30)
    assert source.calls[-1] == 0
    assert source.read == {found.name for found in source.rows}


def test_rows_that_are_counted_but_never_listed_raise_a_doubt() -> None:
    """After two looks at the top the count is a doubt."""
    source = steady_list(12, 10)
    source.rows[11] = source.rows[2]
    assert run(walk_by_offset(1), source.by_offset) == WalkOutcome(paging_walk.ENDED_EARLY, 12)


def test_pages_of_one_row_cannot_overlap_and_raise_a_doubt() -> None:
    """They are read, but rows between them may be missing."""
    source = steady_list(5, 1)
    assert run(walk_by_offset(4), source.by_offset) == WalkOutcome(paging_walk.NO_OVERLAP, 5)
    assert len(source.read) == 5
