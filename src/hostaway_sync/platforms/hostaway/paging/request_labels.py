"""Says in plain words where a walk is, for whoever wants to know what each of its requests is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostaway_sync.platforms.hostaway.paging.walk import Positions, Walk, WalkOutcome


class RequestLabels:
    """Looks on while a walk names its positions, and keeps a name for each until it is asked for.

    Args:
        by_cursor: positions are ids of rows, and the top is None; otherwise they are numbers of rows, and the top is 0.
    """

    def __init__(self, *, by_cursor: bool) -> None:
        self._by_cursor = by_cursor
        self._top = None if by_cursor else 0
        self._names: dict[int | None, str] = {}
        self._way = ""
        self._page = 0
        self._last: int | None = None
        self._met: frozenset[int | None] = frozenset()

    def of(self, walk: Walk) -> Walk:
        """Give the same walk, looked on at."""
        wanted = next(walk)
        under_way: tuple[int | None, ...] = ()
        while True:
            self._name(wanted, under_way)
            under_way = wanted[1:]
            answer = yield wanted
            self._met = frozenset(row.id for row in answer.rows)
            try:
                wanted = walk.send(answer)
            except StopIteration as end:
                outcome: WalkOutcome = end.value
                return outcome

    def take(self, position: int | None) -> str:
        """Give the name of a position, once; it is empty for the first page of a list."""
        return self._names.pop(position, "")

    def _name(self, wanted: Positions, under_way: Positions) -> None:
        first = wanted[0]
        is_back = False
        if first == self._top:
            self._way = "again from the top" if self._page else ""
            self._page = 1
        elif not self._page:
            self._way = "on from where an earlier run was cut"
            self._page = 1
        else:
            is_back = self._is_back(first)
            self._page += not is_back
        self._last = first
        for page, position in enumerate(wanted, start=self._page):
            if position not in under_way:
                self._names[position] = self._words(page)
        if is_back:
            self._names[first] = "stepped back"

    def _is_back(self, position: int | None) -> bool:
        """Whether a position is above where the walk was; rows met last are where a cursor goes on from."""
        if self._by_cursor:
            return position not in self._met
        return (position or 0) < (self._last or 0)

    def _words(self, page: int) -> str:
        return ", ".join(filter(None, (self._way, f"page {page}" if page > 1 else "")))
