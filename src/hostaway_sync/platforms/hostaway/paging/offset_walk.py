"""The walks by offset: pages that overlap, each checked against the one before it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from hostaway_sync.platforms.hostaway.paging.walk import (
    ENDED_EARLY,
    NO_OVERLAP,
    NOTHING_NEW,
    WalkOutcome,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from hostaway_sync.platforms.hostaway.paging.walk import Answer, Positions, Row, Walk

OVERLAP: Final = 3
STALLS: Final = 2
STEPS_BACK: Final = 2
LOOKS_AT_TOP: Final = 2


def walk_by_offset(ahead: int, since: datetime | None = None) -> Walk:
    """Read a list whole by offset, or with `since` only the rows stamped then or later.

    Up to `ahead` pages are in flight once the length of the list is known.

    Pages overlap by a few rows. A page that holds no row of the page before it is asked for again further up, at most
    twice. The end is where a page reaches the count that came with it: that is one moment of the source. Rows that were
    lifted over the walk's head make fewer rows than that; they are at the top, which is then read again.

    With `since` the list was asked for newest first, and the end is where a page reaches below that moment. A row that
    is lifted meanwhile gets a stamp that the next walk begins with. Where a page does not show that order, the sweep
    goes on as one that reads the list whole.
    """
    sweep = _OffsetWalk(ahead, since)
    outcome = yield from sweep.run()
    return outcome


def walk_at_once(limit: int, ahead: int) -> Walk:
    """Read a list that comes in one answer and need not say how long it is, as documented of lists of a parent.

    Where it says that there is more, or brings the `limit` asked for without a word, it is read by offset after all.
    """
    answer = yield (0,)
    if not answer.rows and answer.count is None:
        answer = yield (0,)
    if answer.count == len(answer.rows) or (answer.count is None and len(answer.rows) < limit):
        return WalkOutcome(None, len(answer.rows))
    outcome = yield from walk_by_offset(ahead)
    return outcome


class _OffsetWalk:
    """One way through a list by offset; remembers the names of all rows, so that their number can be compared."""

    def __init__(self, ahead: int, since: datetime | None) -> None:
        self.doubt: str | None = None
        self._ahead = ahead
        self._since = since
        self._is_past_since = False
        self._seen: set[int | bytes] = set()
        self._previous: frozenset[int | bytes] = frozenset()
        self._size = 0
        self._end = 0
        self._count: int | None = None
        self._trusts_count = True
        self._is_at_end = False

    def run(self) -> Walk:
        """Walk; return the outcome."""
        answer = yield (0,)
        if not answer.rows and answer.count != 0:
            answer = yield (0,)
        if not answer.rows:
            return WalkOutcome(ENDED_EARLY if answer.count else None, answer.count)
        self._accept(0, answer)
        stalls = 0
        while not (self._is_at_end or self._is_past_since):
            is_new = yield from self._next_page()
            stalls = 0 if is_new else stalls + 1
            if stalls == STALLS:
                return WalkOutcome(self.doubt or NOTHING_NEW, self._count)
        if self._since is not None:
            return WalkOutcome(self.doubt, None)
        yield from self._look_at_top()
        return WalkOutcome(self.doubt, self._count)

    @property
    def _overlap(self) -> int:
        return min(OVERLAP, self._size - 1)

    def _next_page(self) -> Generator[Positions, Answer, bool]:
        """Take the page that follows; say whether it brought anything new."""
        positions = self._plan()
        offset = positions[0]
        answer = yield positions
        steps_back = 0
        while not self._is_linked(offset, answer):
            if steps_back == STEPS_BACK or self._overlap == 0:
                self.doubt = NO_OVERLAP
                break
            steps_back += 1
            offset = max(0, offset - self._size)
            answer = yield (offset,)
        return self._accept(offset, answer)

    def _plan(self) -> tuple[int, ...]:
        first = max(0, self._end - self._overlap)
        if not self._trusts_count or self._count is None or self._since is not None:
            return (first,)
        stride = self._size - self._overlap
        return (first, *range(first + stride, self._count - self._overlap, stride))[: self._ahead]

    def _is_linked(self, offset: int, answer: Answer) -> bool:
        """Whether nothing can lie between this page and the one before it."""
        if offset == 0 or self.doubt is not None:
            return True
        if not answer.rows:
            return self._overlap == 0 and not self._trusts_count
        names = {row.name for row in answer.rows}
        return not names.isdisjoint(self._previous) or names <= self._seen

    def _accept(self, offset: int, answer: Answer) -> bool:
        names = frozenset(row.name for row in answer.rows)
        is_new = not names <= self._seen
        if self._since is not None:
            self._judge_order(answer.rows, self._since)
        self._seen |= names
        self._previous = names
        self._size = max(self._size, len(answer.rows)) if offset else len(answer.rows)
        self._end = offset + len(answer.rows)
        self._count = answer.count
        if answer.count is None or self._end > answer.count:
            self._trusts_count = False
        if self._trusts_count:
            self._is_at_end = self._end == answer.count
        else:
            self._is_at_end = not is_new and len(answer.rows) <= self._overlap
        return is_new

    def _judge_order(self, rows: Sequence[Row], since: datetime) -> None:
        """Forget `since` where a page is not newest first, or the first is by id: that may be the usual order."""
        stamps = [row.stamp for row in rows if row.stamp is not None]
        is_falling = len(stamps) == len(rows) and all(below <= above for above, below in pairwise(stamps))
        if not is_falling or (not self._seen and _is_by_id(rows)):
            self._since = None
        elif stamps:
            self._is_past_since = stamps[-1] < since

    def _look_at_top(self) -> Generator[Positions, Answer, None]:
        offset = looks = 0
        while self._lacks_rows:
            if looks == LOOKS_AT_TOP:
                self.doubt = self.doubt or ENDED_EARLY
                return
            looks += 1
            answer = yield (offset,)
            self._seen.update(row.name for row in answer.rows)
            self._count = answer.count
            offset = max(0, len(answer.rows) - OVERLAP)

    @property
    def _lacks_rows(self) -> bool:
        return self._trusts_count and self._count is not None and len(self._seen) < self._count


def _is_by_id(rows: Sequence[Row]) -> bool:
    ids = [row.id or 0 for row in rows]
    return sorted(ids) in (ids, ids[::-1])
