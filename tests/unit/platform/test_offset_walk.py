"""Which positions a walk by offset asks for, answer by answer."""

from __future__ import annotations

from datetime import timedelta

from tests.support.chaos.changing_list import START, row

from hostaway_sync.platforms.hostaway.paging.offset_walk import walk_by_offset
from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, Walk, WalkOutcome


def outcome_of(walk: Walk, answer: PageAnswer) -> WalkOutcome | None:
    """Return the outcome after an answer; None while the walk goes on."""
    try:
        walk.send(answer)
    except StopIteration as end:
        outcome: WalkOutcome = end.value
        return outcome
    return None


def test_step_back_ends_at_the_top() -> None:
    """An empty page at offset 7 leads ten rows up; the first page of the shorter list counts from there."""
    walk = walk_by_offset(1)
    assert next(walk) == (0,)
    assert walk.send(PageAnswer([row(number) for number in range(1, 11)])) == (7,)
    assert walk.send(PageAnswer()) == (0,)
    assert walk.send(PageAnswer([row(1), row(99)])) == (1,)


def test_list_that_shrank_is_read_from_its_top_again() -> None:
    """The overlap of three rows goes above a page of two."""
    walk = walk_by_offset(1)
    next(walk)
    assert walk.send(PageAnswer([row(number) for number in range(1, 5)])) == (1,)
    assert walk.send(PageAnswer([row(2), row(99)])) == (0,)


def test_rows_with_equal_stamps_are_newest_first() -> None:
    """So the walk ends at the first page that goes below its moment."""
    walk = walk_by_offset(1, START + timedelta(minutes=10))
    next(walk)
    rows = [row(5, 10), row(9, 10), row(7, 9)]
    assert outcome_of(walk, PageAnswer(rows)) == WalkOutcome(None, None)


def test_a_row_at_the_moment_itself_does_not_end_a_walk() -> None:
    """Another one of that moment may stand below it."""
    walk = walk_by_offset(1, START + timedelta(minutes=9))
    next(walk)
    assert walk.send(PageAnswer([row(5, 10), row(9, 10), row(4, 9), row(7, 9)])) == (1,)


def test_pages_are_requested_ahead_up_to_the_last() -> None:
    """None begins beyond the count; each begins three rows above the end of the one before."""
    for count, positions in ((17, (7,)), (18, (7, 14)), (24, (7, 14)), (25, (7, 14, 21)), (99, (7, 14, 21, 28))):
        walk = walk_by_offset(4)
        next(walk)
        assert walk.send(PageAnswer([row(number) for number in range(10)], count)) == positions


def test_empty_first_page_is_requested_again() -> None:
    """Unless its count says that the list is empty."""
    walk = walk_by_offset(1)
    assert next(walk) == (0,)
    assert walk.send(PageAnswer()) == (0,)
    walk = walk_by_offset(1)
    next(walk)
    assert outcome_of(walk, PageAnswer((), 0)) == WalkOutcome(None, 0)


def test_a_single_row_without_a_count_needs_an_empty_page() -> None:
    """Pages of one row cannot overlap: that nothing follows proves the end."""
    walk = walk_by_offset(1)
    assert next(walk) == (0,)
    assert walk.send(PageAnswer([row(1)])) == (1,)
    assert outcome_of(walk, PageAnswer()) == WalkOutcome(None, None)
