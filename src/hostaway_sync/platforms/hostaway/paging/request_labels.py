"""Names the requests of a walk in plain words, such as `page 3`, for people who watch them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostaway_sync.platforms.hostaway.paging.walk import Positions, Walk, WalkOutcome


class RequestLabels:
    """Labels the positions of a walk, and keeps each label until the position is fetched.

    Args:
        by_cursor: positions are ids of rows, and the top is None; otherwise they are numbers of rows, and the top is 0.
    """

    def __init__(self, *, by_cursor: bool) -> None:
        self._by_cursor = by_cursor
        self._top = None if by_cursor else 0
        self._labels: dict[int | None, str] = {}
        self._direction = ""
        self._page = 0
        self._last: int | None = None
        self._met: frozenset[int | None] = frozenset()

    def watch(self, walk: Walk) -> Walk:
        """Return the same walk; its positions are labelled as it names them."""
        wanted = next(walk)
        in_flight: tuple[int | None, ...] = ()
        while True:
            self._label(wanted, in_flight)
            in_flight = wanted[1:]
            answer = yield wanted
            self._met = frozenset(row.id for row in answer.rows)
            try:
                wanted = walk.send(answer)
            except StopIteration as end:
                outcome: WalkOutcome = end.value
                return outcome

    def pop(self, position: int | None) -> str:
        """Return the label of a position and forget it; "" for the first page of a list."""
        return self._labels.pop(position, "")

    def _label(self, wanted: Positions, in_flight: Positions) -> None:
        first = wanted[0]
        is_back = False
        if first == self._top:
            self._direction = "again from the top" if self._page else ""
            self._page = 1
        elif not self._page:
            self._direction = "on from where an earlier run was cut"
            self._page = 1
        else:
            is_back = self._is_back(first)
            self._page += not is_back
        self._last = first
        for page, position in enumerate(wanted, start=self._page):
            if position not in in_flight:
                self._labels[position] = self._describe(page)
        if is_back:
            self._labels[first] = "stepped back"

    def _is_back(self, position: int | None) -> bool:
        """Whether a position is above the last one; a cursor that goes on is one of the rows met last."""
        if self._by_cursor:
            return position not in self._met
        return (position or 0) < (self._last or 0)

    def _describe(self, page: int) -> str:
        return ", ".join(filter(None, (self._direction, f"page {page}" if page > 1 else "")))
