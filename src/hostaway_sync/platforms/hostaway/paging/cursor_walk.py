"""The walks by cursor: from the newest row down to the oldest, or to a moment, then the rows that moved to the top.

An interrupted walk can be resumed where it stood: rows that move during the interruption are found in the same way as
rows that move during the walk.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorPosition, CursorState
from hostaway_sync.platforms.hostaway.paging.walk import (
    CHANGES_TOO_FAST,
    CURSOR_LOST,
    ENDED_EARLY,
    NOTHING_NEW,
    ORDER_UNKNOWN,
    Row,
    WalkOutcome,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, Positions, Walk

STEPS_BACK: Final = 4
CATCH_UPS: Final = 5


def walk_by_cursor(since: datetime | None = None, state: CursorState | None = None) -> Walk:
    """Read a list whole, or with `since` only the rows stamped then or later.

    Args:
        since: None: the whole list.
        state: where a walk of the whole list begins, if its position can be read; updated after every answer.
    """
    outcome = None if since is None else (yield from _walk_down_to(since))
    if outcome is None:
        outcome = yield from _walk_whole(state or CursorState())
    return outcome


def _walk_down_to(since: datetime) -> Generator[Positions, PageAnswer, WalkOutcome | None]:
    """Read down past a moment; None when the list turns out not to be ordered by stamp.

    A row that does not change keeps its place among the others, so the walk meets it on the way down. A row that
    changes meanwhile gets a new stamp, at which the next walk begins.
    """
    walk = _CursorWalk(is_whole=False, down_to=since)
    doubt = yield from walk.run()
    return WalkOutcome(doubt, None) if walk.is_ordered or walk.fits_one_page else None


def _walk_whole(state: CursorState) -> Walk:
    """Read a list whole, from its newest row to its oldest, then the rows that moved to its top meanwhile.

    A row that does not change keeps its place among the others, so the walk meets it on the way down. A row that
    changes moves to the top, so the walk meets it when it reads the top again, down to where the last way down began.
    That is repeated until one page reaches that far, which shows one moment, or until no row has moved.
    """
    walk = _CursorWalk(state=state)
    position = state.decode()
    if position is None:
        state.position = None
    doubt = yield from (walk.run() if position is None else walk.resume(position))
    if doubt is not None or walk.fits_one_page:
        return WalkOutcome(doubt, walk.count)
    for _ in range(CATCH_UPS):
        again = _CursorWalk(is_whole=False, down_to=walk.top_stamp)
        doubt = yield from again.run()
        if doubt is None and not _has_met_moved_rows(again, walk):
            doubt = ORDER_UNKNOWN
        if doubt is not None or again.took_one_page or again.top == walk.top:
            return WalkOutcome(doubt, again.count)
        walk = again
    return WalkOutcome(CHANGES_TOO_FAST, walk.count)


def _has_met_moved_rows(again: _CursorWalk, walk: _CursorWalk) -> bool:
    """Whether a second reading of the top met all rows that moved there since a walk began.

    It stops where it finds no order: on a page without any stamp, for example. Rows that moved may be further down, so
    it proves only what that page proves: the whole list, if it fits the page.
    """
    if walk.is_ordered:
        return again.is_ordered or again.fits_one_page
    return again.first_names == walk.first_names


class _CursorWalk:
    """One way down a list by cursor; remembers its last page only.

    Args:
        is_whole: go down to the end.
        down_to: otherwise go down until a row is older than that; None: read one page.
        state: updated after every answer.

    Attributes:
        count: rows of the whole list when the walk began; None when Hostaway did not say.
        counted: rows met that were below all rows met before.
        top: the first row with a stamp on the first page.
        fits_one_page: the first page was the whole list.
        took_one_page: the first page went down far enough, so that all rows asked for were seen at one moment.
    """

    def __init__(
        self, *, is_whole: bool = True, down_to: datetime | None = None, state: CursorState | None = None
    ) -> None:
        self.count: int | None = None
        self.counted = 0
        self.top: Row | None = None
        self.first_names: tuple[int | bytes, ...] = ()
        self.fits_one_page = False
        self.took_one_page = False
        self.is_ordered = True
        self._ids_fall = True
        self._size = 0
        self._count_to_reach: int | None = None
        self._is_whole = is_whole
        self._down_to = down_to
        self._state = state
        self._trail: deque[int] = deque(maxlen=STEPS_BACK + 1)
        self._recent: frozenset[int | bytes] = frozenset()
        self._ties: tuple[int | bytes, ...] = ()
        self._lowest: Row | None = None

    @property
    def top_stamp(self) -> datetime | None:
        """The highest stamp; None when the order is not known."""
        return self.top.stamp if self.is_ordered and self.top is not None else None

    def run(self) -> Generator[Positions, PageAnswer, str | None]:
        """Walk down from the top; return a doubt, or None."""
        answer = yield (None,)
        if not answer.rows and answer.count != 0:
            answer = yield (None,)
        self.count = answer.count
        if not answer.rows:
            self.fits_one_page = self.took_one_page = True
            return ENDED_EARLY if answer.count else None
        self._accept_first(answer)
        self.took_one_page = self.fits_one_page or self._is_deep_enough()
        if self.took_one_page:
            return None
        doubt = yield from self._walk_down()
        return doubt

    def resume(self, position: CursorPosition) -> Generator[Positions, PageAnswer, str | None]:
        """Walk on from a stored position; return a doubt, or None.

        The names of the first page are not stored. So if the order turns out to be unknown, too, that is a doubt.
        """
        self.count = self._count_to_reach = position.count
        self.counted = position.counted
        self.top = Row(*position.top)
        self._ids_fall = position.ids_fall
        self._size = position.size
        self._trail.extend(position.trail)
        self._lowest = Row(*position.lowest, digest=b"")
        self._recent = frozenset(position.recent)
        doubt = yield from self._walk_down()
        return doubt

    def _walk_down(self) -> Generator[Positions, PageAnswer, str | None]:
        steps_back = 0
        doubt = CURSOR_LOST
        while not self._is_deep_enough():
            if steps_back > len(self._trail) - self._is_beyond_trail:
                return doubt
            answer = yield (self._cursor(steps_back),)
            can_go_on = self._accept(answer.rows)
            self._update_state()
            if can_go_on:
                steps_back = 0
            elif self._is_end(answer, steps_back):
                return None
            else:
                doubt = _doubt_of(answer)
                steps_back += 1
        return None

    def _update_state(self) -> None:
        if self._state is None:
            return
        self._state.position = None
        top, lowest = self.top, self._lowest
        # Without an order, a resumed walk could not tell which rows moved during the interruption.
        if top is None or lowest is None or not self.is_ordered or not self._trail or self.fits_one_page:
            return
        position = CursorPosition(
            top=(top.id, top.stamp, top.digest),
            lowest=(lowest.id, lowest.stamp),
            trail=tuple(self._trail),
            recent=self._ties,
            size=self._size,
            counted=self.counted,
            count=self._count_to_reach,
            ids_fall=self._ids_fall,
        )
        self._state.position = position.encode()

    def _accept_first(self, answer: PageAnswer) -> None:
        self.first_names = tuple(row.name for row in answer.rows)
        self.top = next((row for row in answer.rows if row.stamp is not None), None)
        self.is_ordered = self.top is not None
        if self.count is not None and self.count < len(answer.rows):
            self.count = None
        self._count_to_reach = self.count
        self.fits_one_page = self.count == len(answer.rows)
        self._accept(answer.rows)
        self._update_state()

    @property
    def _is_beyond_trail(self) -> bool:
        """Whether more rows were met than the walk can step back over."""
        return self.counted > len(self._trail)

    def _cursor(self, steps_back: int) -> int | None:
        return self._trail[-1 - steps_back] if steps_back < len(self._trail) else None

    def _accept(self, rows: Sequence[Row]) -> bool:
        """Remember the rows below all others; return whether one of them can serve as a cursor."""
        self._judge_order(rows)
        new = [row for row in rows if self._is_new(row)]
        if not new:
            return False
        if self._may_count_twice(rows):
            self._count_to_reach = None
        self._size = max(self._size, len(rows))
        self.counted += len(new)
        self._trail.extend(row.id for row in new if row.id is not None)
        self._recent = frozenset(row.name for row in rows)
        self._lowest = lowest = next((row for row in reversed(new) if row.stamp is not None), self._lowest)
        self._ties = tuple(row.name for row in rows if row.stamp is None or lowest is None or row.stamp == lowest.stamp)
        return any(row.id is not None for row in new)

    def _judge_order(self, rows: Sequence[Row]) -> None:
        above: Row | None = None
        for row in rows:
            if row.stamp is None:
                continue
            if above is not None and above.stamp is not None:
                self.is_ordered = self.is_ordered and row.stamp <= above.stamp
                self._ids_fall = self._ids_fall and (row.stamp != above.stamp or (row.id or 0) < (above.id or 0))
            above = row

    def _may_count_twice(self, rows: Sequence[Row]) -> bool:
        """Whether a row is new only because the last page did not have it: an earlier page may have had it."""
        above = takewhile(lambda row: not self._is_below(row), rows)
        return self.counted > 0 and any(self._is_new(row) for row in above)

    def _is_new(self, row: Row) -> bool:
        is_below = self._is_below(row)
        return row.name not in self._recent if is_below is None else is_below

    def _is_below(self, row: Row) -> bool | None:
        """Whether a row is below all rows met before; None when its stamp does not tell."""
        lowest = self._lowest
        if not self.is_ordered or row.stamp is None or lowest is None or lowest.stamp is None:
            return None
        if row.stamp != lowest.stamp:
            return row.stamp < lowest.stamp
        if self._ids_fall and row.id is not None and lowest.id is not None:
            return row.id < lowest.id
        return None

    def _is_end(self, answer: PageAnswer, steps_back: int) -> bool:
        """Whether an answer without new rows proves that the list ends here.

        An empty page proves it only when all rows were met, each counted once. Otherwise the proof is a page, read from
        a step back, that holds rows of that step alone and has room for more.
        """
        if answer.refused:
            return False
        if not answer.rows:
            return self.is_ordered and self._count_to_reach is not None and self.counted >= self._count_to_reach
        stepped_over = list(self._trail)[len(self._trail) - steps_back :]
        return len(answer.rows) < self._size and all(row.name in stepped_over for row in answer.rows)

    def _is_deep_enough(self) -> bool:
        if self._is_whole:
            return False
        if self._down_to is None or not self.is_ordered:
            return True
        lowest = self._lowest
        return lowest is not None and lowest.stamp is not None and lowest.stamp < self._down_to


def _doubt_of(answer: PageAnswer) -> str:
    if answer.refused:
        return CURSOR_LOST
    return NOTHING_NEW if answer.rows else ENDED_EARLY
