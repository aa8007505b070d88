"""A list that changes between any two requests, for tests of the walks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, Row, WalkOutcome

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from hostaway_sync.platforms.hostaway.paging.walk import Walk

START = datetime(2026, 11, 21, tzinfo=UTC)


def row(number: int, minute: int | None = 0) -> Row:
    """Return a row with this id and a stamp so many minutes after the start."""
    return Row(number, None if minute is None else START + timedelta(minutes=minute), str(number).encode())


def nameless(text: str, minute: int | None = None) -> Row:
    """Return a row without an id."""
    return row(0, minute)._replace(id=None, digest=text.encode())


@dataclass
class ChangingList:
    """A list of the source, newest first, which answers as its switches say.

    By offset it may be in the order of its ids; the stamps of `blank` rows cannot be read.
    """

    rows: list[Row]
    limit: int
    moved: str = "restart"
    deleted: str = "restart"
    count: str = "total"
    order: str = "newest"
    blank: frozenset[int] = frozenset()
    clock: int = 10_000
    calls: list[int | None] = field(default_factory=list)
    read: set[int | bytes] = field(default_factory=set)
    listed: dict[int | None, Row] = field(default_factory=dict)
    deleted_rows: dict[int | None, Row] = field(default_factory=dict)
    touched: set[int | None] = field(default_factory=set)

    def by_cursor(self, position: int | None) -> PageAnswer:
        """Answer a request with `afterId`."""
        self.calls.append(position)
        below = self._below(position)
        if below is None:
            return PageAnswer(refused=True)
        page = below[: self.limit]
        self.listed |= {found.id: found for found in page}
        counts = {"total": len(self.rows), "rest": len(below), "none": None}
        return PageAnswer(self._shown(page), counts[self.count])

    def by_offset(self, position: int | None) -> PageAnswer:
        """Answer a request with `offset`."""
        self.calls.append(position)
        rows = self.rows
        if self.order != "newest":
            rows = sorted(rows, key=lambda found: found.id or 0, reverse=self.order == "id_desc")
        page = rows[position or 0 :][: self.limit]
        return PageAnswer(self._shown(page), None if self.count == "none" else len(rows))

    def _shown(self, page: list[Row]) -> list[Row]:
        self.read |= {found.name for found in page}
        return [found._replace(stamp=None) if found.id in self.blank else found for found in page]

    def _below(self, position: int | None) -> list[Row] | None:
        if position is None:
            return self.rows
        env = [index for index, found in enumerate(self.rows) if found.id == position]
        if env and self.rows[env[0]] == self.listed[position]:
            return self.rows[env[0] + 1 :]
        if env:
            return {"restart": self.rows[env[0] + 1 :], "empty": [], "refused": None}[self.moved]
        gone = self.deleted_rows[position]
        older = [found for found in self.rows if _key(found) < _key(gone)]
        return {"restart": self.rows, "empty": [], "refused": None, "continue": older}[self.deleted]

    def change(self, kind: str, where: float) -> None:
        """Insert at the top, or move a row there, or delete it."""
        if kind == "insert" or not self.rows:
            self.clock += 1
            self.rows.insert(0, row(self.clock, self.clock))
            return
        gone = self.rows.pop(int(where * len(self.rows)))
        self.touched.add(gone.id)
        if kind == "delete":
            self.deleted_rows[gone.id] = gone
        else:
            self.clock += 1
            self.rows.insert(0, gone._replace(stamp=START + timedelta(minutes=self.clock)))


def _key(found: Row) -> tuple[datetime, int]:
    return found.stamp or START, found.id or 0


def run(walk: Walk, answer: Callable[[int | None], PageAnswer], most: int = 400) -> WalkOutcome:
    """Run a walk to its end, which must come within `most` requests."""
    wanted = next(walk)
    for _ in range(most):
        try:
            wanted = walk.send(answer(wanted[0]))
        except StopIteration as end:
            outcome: WalkOutcome = end.value
            return outcome
    pytest.fail("the walk does not end")


def run_ahead(
    walk: Walk, answer: Callable[[int | None], PageAnswer], chance: random.Random
) -> tuple[WalkOutcome, set[int | bytes]]:
    """Run a walk to its end with all pages that it names requested at once, in any order.

    Return its outcome and the names of its rows.
    """
    taken: set[int | bytes] = set()
    fetched: dict[int | None, PageAnswer] = {}
    wanted = next(walk)
    for _ in range(400):
        missing = [position for position in wanted if position not in fetched]
        chance.shuffle(missing)
        for position in missing:
            fetched[position] = answer(position)
        page = fetched.pop(wanted[0])
        taken |= {found.name for found in page.rows}
        try:
            wanted = walk.send(page)
        except StopIteration as end:
            outcome: WalkOutcome = end.value
            return outcome, taken
        fetched = {position: found for position, found in fetched.items() if position in wanted}
    pytest.fail("the walk does not end")


def steady_list(size: int, limit: int, **switches: Any) -> ChangingList:
    """Return a list that does not change."""
    return ChangingList([row(1000 - index, 1000 - index) for index in range(size)], limit, **switches)
