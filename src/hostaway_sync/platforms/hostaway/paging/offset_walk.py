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

    from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, Positions, Row, Walk

OVERLAP: Final = 3
# Pages in a row without a new row after which the walk gives up.
STALLS: Final = 2
STEPS_BACK: Final = 2
LOOKS_AT_TOP: Final = 2


def walk_by_offset(ahead: int, since: datetime | None = None) -> Walk:
    """Read a list whole by offset, or with `since` only the rows stamped then or later.

    Up to `ahead` pages are in flight once the length of the list is known.

    Pages overlap by a few rows. If a page holds no row of the page before it, a page further up is asked for, at most
    twice. The list ends where a page reaches the count that came with it, which shows one moment. If fewer rows than
    that were met, some moved to the top above the walk, so the top is read again.

    With `since` the list must be asked for newest first, and the walk ends where a page reaches below that moment. A
    row that moves to the top meanwhile gets a new stamp, at which the next walk begins. If a page is not in that order,
    the walk goes on and reads the list whole.
    """
    walk = _OffsetWalk(ahead, since)
    outcome = yield from walk.run()
    return outcome


def walk_at_once(limit: int, ahead: int) -> Walk:
    """Read a list that comes in one answer, perhaps without a count, as documented of the lists of a parent.

    If its count says that there are more rows, or it has no count and `limit` rows, it is read by offset after all.
    """
    answer = yield (0,)
    if not answer.rows and answer.count is None:
        answer = yield (0,)
    if answer.count == len(answer.rows) or (answer.count is None and len(answer.rows) < limit):
        return WalkOutcome(None, len(answer.rows))
    outcome = yield from walk_by_offset(ahead)
    return outcome


class _OffsetWalk:
    """One way through a list by offset; remembers the names of all rows, to compare their number with the count."""

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
        """Walk from the first row to the end; return the outcome."""
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

    def _next_page(self) -> Generator[Positions, PageAnswer, bool]:
        """Read the page that follows; return whether it brought a new row."""
        positions = self._next_positions()
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

    def _next_positions(self) -> tuple[int, ...]:
        first = max(0, self._end - self._overlap)
        if not self._trusts_count or self._count is None or self._since is not None:
            return (first,)
        stride = self._size - self._overlap
        return (first, *range(first + stride, self._count - self._overlap, stride))[: self._ahead]

    def _is_linked(self, offset: int, answer: PageAnswer) -> bool:
        """Whether no row can lie between this page and the one before it."""
        if offset == 0 or self.doubt is not None:
            return True
        if not answer.rows:
            return self._overlap == 0 and not self._trusts_count
        names = {row.name for row in answer.rows}
        return not names.isdisjoint(self._previous) or names <= self._seen

    def _accept(self, offset: int, answer: PageAnswer) -> bool:
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
        """Drop `since` if a page is not newest first, or the first page is ordered by id, as without any sort order."""
        stamps = [row.stamp for row in rows if row.stamp is not None]
        is_falling = len(stamps) == len(rows) and all(below <= above for above, below in pairwise(stamps))
        if not is_falling or (not self._seen and _is_by_id(rows)):
            self._since = None
        elif stamps:
            self._is_past_since = stamps[-1] < since

    def _look_at_top(self) -> Generator[Positions, PageAnswer, None]:
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
