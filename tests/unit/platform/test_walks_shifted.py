"""The walk by offset, against a list that grows or shrinks above by exact numbers of rows between requests."""

from __future__ import annotations

import pytest
from tests.support.chaos.changing_list import ChangingList, run, steady_list

from hostaway_sync.platforms.hostaway.paging import walk
from hostaway_sync.platforms.hostaway.paging.offset_walk import walk_by_offset
from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, WalkOutcome


def pushed(source: ChangingList, after: dict[int, int], short: dict[int, int] | None = None) -> WalkOutcome:
    """Walk while so many rows are added at the top after the first, second … request, some on shorter pages."""

    def answer(position: int | None) -> PageAnswer:
        size, source.limit = source.limit, (short or {}).get(len(source.calls) + 1, source.limit)
        page = source.by_offset(position)
        source.limit = size
        for _ in range(after.get(len(source.calls), 0)):
            source.change("insert", 0)
        return page

    return run(walk_by_offset(1), answer)


@pytest.mark.parametrize("at", [(2, 4), (2, 5), (3, 6)])
def test_walk_ends_only_after_consecutive_pages_without_new_rows(at: tuple[int, int]) -> None:
    """As many rows as a step were added above: the same page once more. A later repetition does not end the walk."""
    source = steady_list(60, 10)
    outcome = pushed(source, dict.fromkeys(at, 7))
    assert outcome == WalkOutcome(None, 74)
    assert source.read == {found.name for found in source.rows}


@pytest.mark.parametrize("times", [2, 3])
def test_two_consecutive_pages_without_new_rows_end_a_walk(times: int) -> None:
    """A list that grows as fast as it is read is not read to its end."""
    source = steady_list(60, 10)
    assert pushed(source, dict.fromkeys(range(2, 2 + times), 7)).doubt == walk.NOTHING_NEW


@pytest.mark.parametrize("came", [11, 12, 13])
def test_page_of_known_rows_need_not_overlap(came: int) -> None:
    """All its rows are above the page before and known: no row can be between the two."""
    # The page before it is a short one, so that the added rows push all of it out of the next page.
    source = steady_list(60, 10)
    outcome = pushed(source, {5: came}, short={5: 4})
    assert outcome == WalkOutcome(None, 60 + came)
    assert source.read == {found.name for found in source.rows}
    assert source.calls[4:7] == [28, 29, 36]


def test_second_page_of_the_top_overlaps_the_first() -> None:
    """A row deleted between the two moves the rest up: the row just below the first page is on the second."""
    source = steady_list(30, 10)

    def answer(position: int | None) -> PageAnswer:
        page = source.by_offset(position)
        if len(source.calls) in {2, 3}:
            for _ in range(6):
                source.change("touch", 0.99)
        if source.calls.count(0) == 2 and position == 0:
            source.change("delete", 0)
        return page

    outcome = run(walk_by_offset(1), answer)
    assert source.calls[-2:] == [0, 7]
    assert outcome == WalkOutcome(None, 29)
    assert {found.name for found in source.rows} <= source.read


@pytest.mark.parametrize("limit", [2, 3, 4, 10])
def test_reading_the_top_again_asks_for_no_negative_offset(limit: int) -> None:
    """Pages may be shorter than the overlap."""
    source = steady_list(12, limit)
    source.rows[11] = source.rows[2]
    assert run(walk_by_offset(1), source.by_offset) == WalkOutcome(walk.ENDED_EARLY, 12)
    assert source.calls[-2:] == [0, max(0, limit - 3)]
