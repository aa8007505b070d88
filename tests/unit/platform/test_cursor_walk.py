"""Which positions a walk by cursor asks for, answer by answer."""

from __future__ import annotations

from tests.support.chaos.changing_list import nameless, row, run

from hostaway_sync.platforms.hostaway.paging.cursor_walk import walk_by_cursor
from hostaway_sync.platforms.hostaway.paging.walk import CURSOR_LOST, PageAnswer, Positions, Row, WalkOutcome


def asked(*pages: list[Row], count: int | None) -> list[Positions | None]:
    """Return the positions that a walk asks for before the first page and after each; None: it has ended."""
    walk = walk_by_cursor()
    positions: list[Positions | None] = [next(walk)]
    for rows in pages:
        try:
            positions.append(walk.send(PageAnswer(rows, count)))
        except StopIteration:
            positions.append(None)
    return positions


def test_lowest_stamp_outlives_a_page_without_stamps() -> None:
    """A row above it is not new, so that an empty page does not prove the end."""
    pages = [row(9, 9), row(8, 8)], [row(7, None), row(6, None)], [row(9, 9), row(5, 5)], list[Row]()
    assert asked(*pages, count=6) == [(None,), (8,), (6,), (5,), (6,)]


def test_one_page_at_the_top_shows_all_moved_rows() -> None:
    """It is one moment: no page must be read again."""
    pages = [row(9, 9), row(8, 8), row(7, 7)], [row(6, 6)], list[Row](), [row(10, 10), row(9, 9), row(8, 8)]
    assert asked(*pages, count=4) == [(None,), (7,), (6,), (None,), None]


def test_top_without_stamps_is_read_once() -> None:
    """Its first page shows whether a row moved; further pages would be the whole list again."""
    pages = [row(9, None), row(8, None)], [row(7, None)], list[Row](), [row(7, None)], [row(9, None), row(8, None)]
    assert asked(*pages, count=3) == [(None,), (8,), (7,), (8,), (None,), None]


def test_order_is_judged_across_rows_without_stamps() -> None:
    """Without an order, an empty page proves no end."""
    pages = [row(9, 9), row(8, None), row(7, 10)], [row(6, 6), row(5, 5)], list[Row]()
    assert asked(*pages, count=5) == [(None,), (7,), (5,), (6,)]


def test_ids_may_rise_from_stamp_to_stamp() -> None:
    """Within one stamp they fall: a row with an id above the lowest was read before."""
    pages = [row(5, 9), row(8, 8)], [row(9, 8), row(7, 8)], list[Row]()
    assert asked(*pages, count=4) == [(None,), (8,), (7,), (8,)]


def test_repeated_row_shows_that_ids_do_not_fall() -> None:
    """From then on, rows of one stamp are told apart by their names."""
    assert asked([row(9, 8), row(9, 8)], [row(10, 8)], count=3) == [(None,), (9,), (10,)]


def test_row_after_a_single_one_may_be_counted_twice() -> None:
    """Without a stamp it may be above the first row as well, so that an empty page does not prove the end."""
    assert asked([row(9, 9)], [row(8, None)], [], count=2) == [(None,), (9,), (8,), (9,)]


def test_first_page_without_any_id_loses_the_cursor() -> None:
    """No row can serve as one: the rest of the list cannot be read, and one request finds that out."""
    calls: list[int | None] = []

    def answer(position: int | None) -> PageAnswer:
        calls.append(position)
        return PageAnswer([nameless("a", 9), nameless("b", 8)], 3)

    assert run(walk_by_cursor(), answer) == WalkOutcome(CURSOR_LOST, 3)
    assert calls == [None]


def test_end_is_proven_by_a_short_page_of_skipped_rows_alone() -> None:
    """A page with other known rows, or a full one, may hide rows below it: the walk steps back once more."""
    above, below = [row(9, 9), row(8, 8)], [row(7, 7), row(6, 6)]
    assert asked(above, below, [], [row(6, 6)], count=None) == [(None,), (8,), (6,), (7,), (None,)]
    assert asked(above, below, [], [row(9, 9)], count=None) == [(None,), (8,), (6,), (7,), (8,)]
    assert asked(above, below, [], [], below, count=None) == [(None,), (8,), (6,), (7,), (8,), (9,)]


def test_a_walk_steps_back_to_the_top_of_a_short_list() -> None:
    """Where fewer rows were met than it can step over, the last step asks for the first page."""
    page = [row(9, 9), row(8, 8)]
    assert asked(page, [], [], count=3) == [(None,), (8,), (9,), (None,)]
