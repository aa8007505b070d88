"""Walks by cursor that were cut and resumed, against a list that changed meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st
from tests.support.chaos.changing_list import START, ChangingList, nameless, row, steady_list
from tests.support.examples import examples

from hostaway_sync.platforms.hostaway.paging import walk as paging_walk
from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorState
from hostaway_sync.platforms.hostaway.paging.cursor_walk import walk_by_cursor
from hostaway_sync.platforms.hostaway.paging.walk import Row, WalkOutcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

CHANGES = st.lists(st.tuples(st.sampled_from(["insert", "touch", "touch", "delete"]), st.floats(0, 0.999)), max_size=4)
LISTS = st.fixed_dictionaries(
    {
        "size": st.integers(0, 40),
        "limit": st.integers(2, 12),
        "count": st.sampled_from(["total", "rest"]),
        "moved": st.sampled_from(["restart", "empty", "refused"]),
        "deleted": st.sampled_from(["restart", "empty", "refused", "continue"]),
    }
)


class Reader:
    """Reads a list over several attempts, and keeps what a mirror would: the read rows, and the last position."""

    def __init__(self, source: ChangingList, between_pages: Callable[[], None] = lambda: None) -> None:
        self.source = source
        self.met: dict[int | bytes, Row] = {}
        self.position: str | None = None
        self.tops: list[dict[int | bytes, datetime | None]] = []
        self._between_pages = between_pages

    def read(self, most: int = 400) -> WalkOutcome | None:
        """Continue the walk for so many answers; return None where it is not over then."""
        state = CursorState(self.position)
        walk = walk_by_cursor(None, state)
        wanted = next(walk)
        self.tops.clear()
        for _ in range(most):
            if wanted[0] is None:
                self.tops.append({found.name: found.stamp for found in self.source.rows})
            answer = self.source.by_cursor(wanted[0])
            self.met |= {found.name: found for found in answer.rows}
            self._between_pages()
            try:
                wanted = walk.send(answer)
            except StopIteration as end:
                outcome: WalkOutcome = end.value
                return outcome
            finally:
                self.position = state.position
        return None

    def is_whole(self, outcome: WalkOutcome) -> bool:
        """Whether a run accepts the walk: no doubt, and exactly as many rows as the source counts."""
        return outcome.doubt is None and len(self.met) == outcome.total

    def has_met(self, rows: dict[int | bytes, datetime | None]) -> bool:
        """Whether the read rows are these, each in this version or, from a later page, in a newer one."""
        stamps = ((found.stamp, rows.get(name)) for name, found in self.met.items())
        return self.met.keys() == rows.keys() and all(
            read is None or true is None or read >= true for read, true in stamps
        )


FILLED_TOP = {"size": 22, "limit": 2, "count": "total", "moved": "restart", "deleted": "restart"}
FILL_TOP = [("insert", 0.0), ("delete", 0.0), ("touch", 0.875), ("touch", 0.96875)]


@settings(max_examples=examples(600))
@example(
    switches=FILLED_TOP,
    cuts=[(1, [("touch", 0.0), ("insert", 0.0)])],
    script=[[], [("delete", 0.0)], FILL_TOP],
    ties=False,
    blanks={979, 981},
).via("a row that was touched is below two moved rows without a stamp")
@example(
    switches=FILLED_TOP,
    cuts=[(1, [("insert", 0.0)])],
    script=[[("delete", 0.0)], FILL_TOP],
    ties=False,
    blanks={979, 981},
).via("a row that was added is below two moved rows without a stamp")
@given(
    switches=LISTS,
    cuts=st.lists(st.tuples(st.integers(1, 8), CHANGES), min_size=1, max_size=3),
    script=st.lists(CHANGES, max_size=12),
    ties=st.booleans(),
    blanks=st.sets(st.integers(960, 1000) | st.integers(10_001, 10_020), max_size=6),
)
def test_resumed_walk_without_doubt_has_every_row(
    switches: dict[str, Any],
    cuts: list[tuple[int, list[tuple[str, float]]]],
    script: list[list[tuple[str, float]]],
    ties: bool,  # noqa: FBT001  (a value drawn for the test)
    blanks: set[int],
) -> None:
    """Cut anywhere, changed at rest and between pages: an accepted walk equals the list at its last read of the top."""
    source = steady_list(**switches)
    if ties:
        source.rows = [found._replace(stamp=START + timedelta(minutes=(found.id or 0) // 4)) for found in source.rows]
    source.blank = frozenset(blanks)
    changes = iter(script)

    def change() -> None:
        for kind, where in next(changes, []):
            source.change(kind, where)

    reader = Reader(source, change)
    outcome = None
    resumed = 0
    for most, meanwhile in [*cuts, (400, [])]:
        resumed += reader.position is not None
        if reader.position is None:
            reader.met.clear()
        outcome = reader.read(most)
        if outcome is not None:
            break
        for kind, where in meanwhile:
            source.change(kind, where)
    assert outcome is not None
    believed = resumed > 0 and reader.is_whole(outcome)
    event(f"resumed: {resumed > 0}, believed: {believed}")
    if believed:
        assert any(reader.has_met(rows) for rows in reader.tops)


@given(size=st.integers(13, 40), limit=st.integers(2, 6), read=st.integers(1, 7))
def test_resumed_walk_takes_the_remaining_calls(size: int, limit: int, read: int) -> None:
    """No page is read twice: the pages below, the end, and one look at the top."""
    source = steady_list(size, limit)
    assume(read <= -(-size // limit))
    reader = Reader(source)
    assert reader.read(read) is None
    source.calls.clear()
    assert reader.read() == WalkOutcome(None, size)
    assert len(source.calls) == -(-size // limit) - read + 2
    assert len(reader.met) == size


def test_resumed_walk_reads_moved_rows_at_the_top() -> None:
    """New rows and touched ones, read before or not, are read down to where the first page began."""
    source = steady_list(12, 3)
    reader = Reader(source)
    reader.read(2)
    for kind, where in [("touch", 0.1), ("insert", 0.0), ("touch", 0.99), ("insert", 0.0), ("insert", 0.0)]:
        source.change(kind, where)
    outcome = reader.read()
    assert outcome == WalkOutcome(None, 15)
    assert reader.met == {found.name: found for found in source.rows}


@pytest.mark.parametrize("kind", ["touch", "delete"])
@pytest.mark.parametrize("switch", ["restart", "empty", "refused"])
def test_resumed_walk_steps_back_over_a_lost_cursor(kind: str, switch: str) -> None:
    """The row above it is a cursor, too; only a deleted row is one too many."""
    source = steady_list(20, 5, moved=switch, deleted=switch)
    reader = Reader(source)
    reader.read(2)
    source.change(kind, 9 / 20)
    source.calls.clear()
    outcome = reader.read()
    assert source.calls[:2] == [991, 992]
    assert outcome == WalkOutcome(None, len(source.rows))
    assert {found.name for found in source.rows} <= reader.met.keys()
    assert reader.is_whole(outcome) is (kind == "touch")


def test_walk_without_any_cursor_left_raises_a_doubt() -> None:
    """Few are stored; the list must then be read from its beginning."""
    source = steady_list(30, 10)
    reader = Reader(source)
    reader.read(2)
    for _ in range(5):
        source.change("delete", 15.5 / len(source.rows))
    assert reader.read() == WalkOutcome(paging_walk.NOTHING_NEW, 30)


def test_row_deleted_before_resuming_is_one_too_many() -> None:
    """An added row makes up for it in the source's count, not among the read rows."""
    source = steady_list(12, 3)
    reader = Reader(source)
    reader.read(2)
    source.change("delete", 0.0)
    source.change("insert", 0.0)
    outcome = reader.read()
    assert outcome == WalkOutcome(None, 12)
    assert len(reader.met) == 13


@pytest.mark.parametrize("stamps", [(None, None), (START, START + timedelta(hours=1))], ids=["no stamp", "rising"])
def test_top_page_without_order_raises_a_doubt_after_resuming(stamps: tuple[datetime | None, datetime | None]) -> None:
    """The added row is below that page; the deleted one makes up for it in the source's count."""
    source = steady_list(12, 2)
    reader = Reader(source)
    reader.read(1)
    for kind, where in [("delete", 0.0), ("insert", 0.0), ("touch", 0.99), ("touch", 0.99)]:
        source.change(kind, where)
    source.rows[:2] = [found._replace(stamp=stamp) for found, stamp in zip(source.rows, stamps, strict=False)]
    assert reader.read() == WalkOutcome(paging_walk.ORDER_UNKNOWN, 12)
    assert source.clock not in reader.met


def test_resumed_walk_knows_that_a_row_may_count_twice() -> None:
    """As in a walk that is not cut, an empty page then proves no end, and the last row is read."""
    source = steady_list(5, 2, moved="empty", deleted="restart", blank=frozenset({10_001}))
    reader = Reader(source)
    reader.read(2)
    source.change("delete", 3 / 5)
    source.change("insert", 0.0)
    reader.read(1)
    source.change("touch", 0.0)
    outcome = reader.read()
    assert source.calls[2:4] == [997, 10_001]
    assert outcome == WalkOutcome(None, 5)
    assert 996 in reader.met


def test_top_page_that_is_the_whole_list_needs_no_order() -> None:
    """Every moved row is on it; deleted rows are too many, as in every walk."""
    source = steady_list(6, 3)
    reader = Reader(source)
    reader.read(2)
    for _ in range(3):
        source.change("delete", 0.0)
    source.blank = frozenset(found.id or 0 for found in source.rows)
    outcome = reader.read()
    assert outcome == WalkOutcome(None, 3)
    assert not reader.is_whole(outcome)


def test_list_emptied_before_resuming_takes_one_look_at_the_top() -> None:
    """An empty page with count zero is the whole list; all read rows are too many."""
    source = steady_list(4, 2, deleted="empty")
    reader = Reader(source)
    reader.read(2)
    for _ in range(4):
        source.change("delete", 0.0)
    source.calls.clear()
    outcome = reader.read()
    assert outcome == WalkOutcome(None, 0)
    assert source.calls == [997, None]
    assert not reader.is_whole(outcome)


def test_row_deleted_during_the_top_read_hides_no_other() -> None:
    """The first page at the top counts a row that is deleted before its page: the top is read once more."""
    source = steady_list(3, 2, deleted="empty")

    def delete_below_the_top() -> None:
        if source.calls[-1] is None and source.rows[-1].id == 10_001:
            source.change("delete", 2 / 3)

    reader = Reader(source, delete_below_the_top)
    reader.read(2)
    for kind, where in [("delete", 2 / 3), ("insert", 0.0), ("touch", 2 / 3), ("touch", 2 / 3)]:
        source.change(kind, where)
    outcome = reader.read()
    assert outcome == WalkOutcome(None, 2)
    assert not reader.is_whole(outcome)


@pytest.mark.parametrize(
    "source",
    [
        steady_list(5, 10),
        steady_list(0, 10),
        ChangingList([row(index + 1, minute) for index, minute in enumerate([1, 5, 3, 9, 2])], 2),
        ChangingList([row(index + 1, None) for index in range(5)], 2),
        ChangingList([nameless(text, 9) for text in "abcde"], 2),
    ],
    ids=["one page", "empty", "unordered", "no stamps", "no ids"],
)
def test_walk_that_cannot_be_resumed_has_no_position(source: ChangingList) -> None:
    """One answer is the whole list, or there is no order or no cursor."""
    reader = Reader(source)
    reader.position = "left by another walk"
    reader.read(1)
    assert reader.position is None


def test_position_is_removed_when_the_order_is_lost() -> None:
    """A resumed walk could not tell which rows moved meanwhile."""
    source = ChangingList([row(index + 1, minute) for index, minute in enumerate([9, 8, 7, 6, 1, 5, 3, 4])], 3)
    reader = Reader(source)
    reader.read(1)
    assert reader.position is not None
    reader.read(1)
    assert reader.position is None


def test_order_lost_after_resuming_raises_a_doubt() -> None:
    """Whether the first page is unchanged is not known any more."""
    source = ChangingList([row(index + 1, minute) for index, minute in enumerate([9, 8, 7, 6, 1, 5, 3, 4])], 3)
    reader = Reader(source)
    reader.read(1)
    assert reader.read() == WalkOutcome(paging_walk.ORDER_UNKNOWN, 8)


@pytest.mark.parametrize("position", ["", "null", "{}", '{"version":2}', "not JSON", '{"version":1,"trail":"x"}'])
def test_unreadable_position_starts_the_walk_anew(position: str) -> None:
    """Another release wrote it, or it is no position at all."""
    source = steady_list(12, 5)
    reader = Reader(source)
    reader.position = position
    assert reader.read() == WalkOutcome(None, 12)
    assert source.calls[0] is None


def test_rows_without_id_or_stamp_survive_a_cut() -> None:
    """The position holds their names, which tell them from the rows below."""
    rows = [
        row(20, 20),
        row(19, 19),
        nameless("a", 18),
        row(17, None),
        nameless("b"),
        row(16, 16),
        row(15, 16),
        row(14),
    ]
    source = ChangingList(rows, 3)
    for read in (1, 2, 3):
        reader = Reader(source)
        reader.read(read)
        outcome = reader.read()
        assert outcome is not None
        assert reader.met.keys() == {found.name for found in rows}


def test_resumed_walk_reads_rows_of_one_second_in_any_order() -> None:
    """The position has whether ids fall, and the names that tell the rows of a page from those below."""
    source = ChangingList([row(number, 7) for number in (3, 9, 1, 8, 7, 2, 6, 5, 4)], 3, count="none")
    reader = Reader(source)
    reader.read(1)
    reader.read(2)
    assert len(reader.met) == 9
    source.calls.clear()
    assert reader.read() == WalkOutcome(None, None)
    assert source.calls[:3] == [4, 5, None]


def test_position_is_short_however_much_was_read() -> None:
    """It grows with neither the list nor the page, but with the rows of one second at its end."""
    reader = Reader(steady_list(2000, 500))
    reader.read(3)
    assert len(reader.position or "") < 400
    alike = Reader(ChangingList([row(10**9 + index, 7) for index in range(1200)], 500))
    alike.read(1)
    assert len(alike.position or "") < 8000
