"""The walks by cursor: from the newest row down to the oldest, or to a moment, and what moved to the top meanwhile.

A way down that was cut can be taken up where it stood: what is true of rows that move while it goes on is true of
rows that move while it rests.
"""

from __future__ import annotations

from collections import deque
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

    from hostaway_sync.platforms.hostaway.paging.walk import Answer, Positions, Walk

STEPS_BACK: Final = 4
CATCH_UPS: Final = 5


def walk_by_cursor(since: datetime | None = None, bookmark: CursorState | None = None) -> Walk:
    """Read a list whole, or with `since` only the rows stamped then or later.

    Read whole, it goes on where `bookmark` stands, if that can be read, and moves it after every answer.
    """
    outcome = None if since is None else (yield from _walk_down_to(since))
    if outcome is None:
        outcome = yield from _walk_whole(bookmark or CursorState())
    return outcome


def _walk_down_to(since: datetime) -> Generator[Positions, Answer, WalkOutcome | None]:
    """Read past a moment; None when the list turns out not to be in the order that this takes.

    Every row that nobody touched keeps its place among the others, so it is met on the way down. A row that is touched
    meanwhile gets a stamp that the next walk begins with.
    """
    descent = _CursorWalk(is_whole=False, down_to=since)
    doubt = yield from descent.run()
    return WalkOutcome(doubt, None) if descent.is_ordered or descent.fits_one_page else None


def _walk_whole(bookmark: CursorState) -> Walk:
    """Read a list whole, from its newest row to its oldest, then what moved to its top meanwhile.

    Every row that nobody touched keeps its place among the others, so it is met on the way down. Every row that was
    touched is at the top by then, so it is met when the top is read again, down to where the last way down began. That
    ends when it took one page, which is one moment, or when nothing had moved.
    """
    newest = _CursorWalk(bookmark=bookmark)
    standing = bookmark.standing()
    if standing is None:
        bookmark.position = None
    doubt = yield from (newest.run() if standing is None else newest.run_on(standing))
    if doubt is not None or newest.fits_one_page:
        return WalkOutcome(doubt, newest.count)
    for _ in range(CATCH_UPS):
        again = _CursorWalk(is_whole=False, down_to=newest.top_stamp)
        doubt = yield from again.run()
        if doubt is None and not newest.is_ordered and again.first_names != newest.first_names:
            doubt = ORDER_UNKNOWN
        if doubt is not None or again.pages <= 1 or again.top == newest.top:
            return WalkOutcome(doubt, again.count)
        newest = again
    return WalkOutcome(CHANGES_TOO_FAST, newest.count)


class _CursorWalk:
    """One way down a list by cursor; remembers its last page and no more.

    Args:
        is_whole: go down to the end.
        down_to: otherwise, until a row is older than that; None where that cannot be told, for one page only.
        bookmark: moved after every answer.

    Attributes:
        count: rows of the whole list when this way down began; None when the source did not say.
        counted: rows met that were below all others met before.
        top: the first row of the first page with a stamp.
    """

    def __init__(
        self, *, is_whole: bool = True, down_to: datetime | None = None, bookmark: CursorState | None = None
    ) -> None:
        self.count: int | None = None
        self.counted = 0
        self.pages = 0
        self.top: Row | None = None
        self.first_names: tuple[int | bytes, ...] = ()
        self.fits_one_page = False
        self.is_ordered = True
        self._ids_fall = True
        self._size = 0
        self._is_whole = is_whole
        self._down_to = down_to
        self._bookmark = bookmark
        self._trail: deque[int] = deque(maxlen=STEPS_BACK + 1)
        self._recent: frozenset[int | bytes] = frozenset()
        self._ties: tuple[int | bytes, ...] = ()
        self._lowest: Row | None = None

    @property
    def top_stamp(self) -> datetime | None:
        """Give the highest stamp; None when the order is not known."""
        return self.top.stamp if self.is_ordered and self.top is not None else None

    def run(self) -> Generator[Positions, Answer, str | None]:
        """Walk; return a doubt, or None."""
        answer = yield (None,)
        if not answer.rows and answer.count != 0:
            answer = yield (None,)
        self.count = answer.count
        if not answer.rows:
            self.fits_one_page = True
            return ENDED_EARLY if answer.count else None
        self._begin(answer)
        if self.fits_one_page:
            return None
        doubt = yield from self._go_down()
        return doubt

    def run_on(self, standing: CursorPosition) -> Generator[Positions, Answer, str | None]:
        """Walk on from where a walk stood; return a doubt, or None.

        The names of its first page are not known: if the order turns out not to be, either, that will be a doubt.
        """
        self.count, self.counted = standing.count, standing.counted
        self.top = Row(*standing.top)
        self._ids_fall = standing.ids_fall
        self._size = standing.size
        self._trail.extend(standing.trail)
        self._lowest = Row(*standing.lowest, digest=b"")
        self._recent = frozenset(standing.recent)
        doubt = yield from self._go_down()
        return doubt

    def _go_down(self) -> Generator[Positions, Answer, str | None]:
        back = 0
        suspicion = CURSOR_LOST
        while not self._is_deep_enough():
            if back > len(self._trail) - self._is_beyond_trail:
                return suspicion
            answer = yield (self._cursor(back),)
            goes_on = self._take(answer.rows)
            self._move_bookmark()
            if goes_on:
                back = 0
            elif self._is_end(answer, back):
                return None
            else:
                suspicion = _suspicion(answer)
                back += 1
        return None

    def _move_bookmark(self) -> None:
        if self._bookmark is None:
            return
        self._bookmark.position = None
        top, lowest = self.top, self._lowest
        # Without an order, what moved while the walk rested could not be told.
        if top is None or lowest is None or not self.is_ordered or not self._trail or self.fits_one_page:
            return
        standing = CursorPosition(
            top=(top.id, top.stamp, top.digest),
            lowest=(lowest.id, lowest.stamp),
            trail=tuple(self._trail),
            recent=self._ties,
            size=self._size,
            counted=self.counted,
            count=self.count,
            ids_fall=self._ids_fall,
        )
        self._bookmark.position = standing.text()

    def _begin(self, answer: Answer) -> None:
        self.first_names = tuple(row.name for row in answer.rows)
        self.top = next((row for row in answer.rows if row.stamp is not None), None)
        self.is_ordered = self.top is not None
        if self.count is not None and self.count < len(answer.rows):
            self.count = None
        self.fits_one_page = self.count == len(answer.rows)
        self._take(answer.rows)
        self._move_bookmark()

    @property
    def _is_beyond_trail(self) -> bool:
        """Whether more rows were met than can be stepped back over."""
        return self.counted > len(self._trail)

    def _cursor(self, back: int) -> int | None:
        return self._trail[-1 - back] if back < len(self._trail) else None

    def _take(self, rows: Sequence[Row]) -> bool:
        """Remember the rows below all others; say whether there was one that can serve as a cursor."""
        self._judge_order(rows)
        new = [row for row in rows if self._is_new(row)]
        if not new:
            return False
        self.pages += 1
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

    def _is_new(self, row: Row) -> bool:
        lowest = self._lowest
        if not self.is_ordered or row.stamp is None or lowest is None or lowest.stamp is None:
            return row.name not in self._recent
        if row.stamp != lowest.stamp:
            return row.stamp < lowest.stamp
        if self._ids_fall and row.id is not None and lowest.id is not None:
            return row.id < lowest.id
        return row.name not in self._recent

    def _is_end(self, answer: Answer, back: int) -> bool:
        """Whether an answer without new rows proves that nothing follows.

        An empty page alone proves it only when all rows were met. Otherwise it takes a page, from a step back, that
        holds rows of that step and has room for more.
        """
        if answer.refused:
            return False
        if not answer.rows:
            return self.is_ordered and self.count is not None and self.counted >= self.count
        stepped_over = list(self._trail)[len(self._trail) - back :]
        return len(answer.rows) < self._size and all(row.name in stepped_over for row in answer.rows)

    def _is_deep_enough(self) -> bool:
        if self._is_whole:
            return False
        if self._down_to is None or not self.is_ordered:
            return True
        lowest = self._lowest
        return lowest is not None and lowest.stamp is not None and lowest.stamp < self._down_to


def _suspicion(answer: Answer) -> str:
    if answer.refused:
        return CURSOR_LOST
    return NOTHING_NEW if answer.rows else ENDED_EARLY
