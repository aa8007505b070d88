"""When a list of a kind is over, and when rows of it may be missing."""

from __future__ import annotations

import pytest

from hostaway_sync.platforms.hostaway.kinds.list_state import (
    CAME_TWICE,
    ENDLESS,
    FULL_AND_REPEATED,
    LARGE_PAGE,
    MOST_PAGES,
    ListState,
)
from hostaway_sync.platforms.hostaway.kinds.spec import LIMIT


def names(first: int, last: int) -> list[str]:
    """Return the names of the rows from `first` to before `last`."""
    return [str(number) for number in range(first, last)]


@pytest.mark.parametrize(
    ("rows", "total", "is_over"),
    [
        (LARGE_PAGE - 1, None, True),
        (LARGE_PAGE, None, False),
        (LARGE_PAGE + 1, None, False),
        (20, None, False),
        (21, None, True),
        (10, 20, False),
        (59, 60, False),
        (60, 60, True),
        (61, 60, False),
        (51, 1, False),
        (21, 1, True),
    ],
)
def test_count_ends_a_list_before_the_size_of_its_page(rows: int, total: int | None, *, is_over: bool) -> None:
    """Without a count, or with one that cannot be its own, a small page ends it."""
    state = ListState()
    state.add(names(0, rows), total)
    assert (state.is_over, state.doubt) == (is_over, None)


@pytest.mark.parametrize(
    ("rows", "total", "doubt"),
    [
        (LIMIT, None, FULL_AND_REPEATED),
        (LIMIT - 1, None, None),
        (LIMIT + 1, None, None),
        (60, 60, None),
        (60, 61, FULL_AND_REPEATED),
        (LIMIT, LIMIT, None),
    ],
)
def test_repeated_page_ends_a_list_and_may_be_cut(rows: int, total: int | None, doubt: str | None) -> None:
    """The source ignores the offset: its answer is the whole list, unless it is full or its count is greater."""
    state = ListState()
    state.add(names(0, rows), None)
    state.add(names(0, rows), total)
    assert (state.is_over, state.doubt) == (True, doubt)


def test_empty_page_ends_a_list_of_the_counted_rows() -> None:
    """Fewer rows than the count are a doubt, as many are none."""
    for total, doubt in ((60, None), (61, "60 rows were read where Hostaway counts 61")):
        state = ListState()
        state.add(names(0, 60), None)
        state.add([], total)
        assert (state.is_over, state.doubt) == (True, doubt)


def test_page_with_some_known_rows_raises_a_doubt() -> None:
    """Rows moved while the list was read."""
    state = ListState()
    state.add(names(0, 60), None)
    state.add(names(30, 90), None)
    assert (state.is_over, state.doubt, len(state.names), state.offset) == (False, CAME_TWICE, 90, 120)
    assert state.pages == 2


def test_list_whose_pages_do_not_end_is_left() -> None:
    """Rows without ids may be other ones each time that they are asked for."""
    state = ListState()
    while not state.is_over:
        state.add([f"{state.pages}"] * LARGE_PAGE, None)
    assert (state.pages, state.doubt) == (MOST_PAGES, ENDLESS)
