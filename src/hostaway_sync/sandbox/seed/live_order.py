"""A list in its live order: seeded rows that are computed, merged with the few that were moved, added or deleted."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostaway_sync.sandbox.seed.layout import Layout

Key = tuple[int, int]
Entry = tuple[int, int]
"""(position in the seeded list or -1 for a row that was changed or came later, id)."""

CHUNK = 500


class LiveOrder:
    """Rows by falling (stamp, id). Memory grows with the rows that changed, not with the rows there are."""

    def __init__(
        self,
        size: int,
        *,
        id_at: Callable[[int], int],
        stamp_at: Callable[[int], int],
        position_of: Callable[[int], int | None],
    ) -> None:
        self._size = size
        self._id_at = id_at
        self._stamp_at = stamp_at
        self._position_of = position_of
        self._moved: list[Key] = []
        self._keys: dict[int, Key] = {}
        self._holes: list[int] = []
        self._gone: dict[int, Key] = {}

    def __len__(self) -> int:
        return self._size - len(self._holes) + len(self._moved)

    def __contains__(self, row_id: int) -> bool:
        return self._key(row_id) is not None

    def stamp(self, row_id: int) -> int | None:
        """Return the stamp by which a row is sorted; None when it is not listed."""
        key = self._key(row_id)
        return None if key is None else -key[0]

    def place(self, row_id: int, stamp: int) -> None:
        """Put a row, new or known, where its stamp belongs."""
        self._take(row_id)
        key = (-stamp, -row_id)
        insort(self._moved, key)
        self._keys[row_id] = key
        self._gone.pop(row_id, None)

    def remove(self, row_id: int) -> None:
        """Remove a row; its last place is kept for cursors that point to it."""
        key = self._key(row_id)
        if key is None:
            raise KeyError(row_id)
        self._take(row_id)
        self._gone[row_id] = key

    def slice(self, offset: int, limit: int) -> list[Entry]:
        """Return `limit` rows from `offset` on."""
        moved, taken = self._split(offset)
        position = self._seeded(offset - moved)
        holes = bisect_left(self._holes, position)
        rows: list[Entry] = []
        for _ in range(min(limit, len(self) - offset)):
            while holes < len(self._holes) and self._holes[holes] == position:
                holes += 1
                position += 1
            if moved < taken and self._before(self._moved[moved], position):
                rows.append((-1, -self._moved[moved][1]))
                moved += 1
            else:
                rows.append((position, self._id_at(position)))
                position += 1
        return rows

    def after(self, row_id: int) -> int | None:
        """Return the offset of the row below this one; for a removed one, below its last place; None if unknown."""
        key = self._key(row_id)
        if key is not None:
            return self._rank(key) + 1
        gone = self._gone.get(row_id)
        return None if gone is None else self._rank(gone)

    def __iter__(self) -> Iterator[Entry]:
        offset = 0
        while rows := self.slice(offset, CHUNK):
            yield from rows
            offset += len(rows)

    def _key(self, row_id: int) -> Key | None:
        if row_id in self._keys:
            return self._keys[row_id]
        position = self._position_of(row_id)
        if position is None or row_id in self._gone:
            return None
        return (-self._stamp_at(position), -row_id)

    def _take(self, row_id: int) -> None:
        key = self._keys.pop(row_id, None)
        if key is not None:
            del self._moved[bisect_left(self._moved, key)]
            return
        position = self._position_of(row_id)
        if position is not None and row_id not in self._gone:
            insort(self._holes, position)

    def _before(self, key: Key, position: int) -> bool:
        return position >= self._size or key < (-self._stamp_at(position), -self._id_at(position))

    def _seeded_before(self, key: Key) -> int:
        """Count the seeded positions, holes included, that stand above a key."""
        low, high = 0, self._size
        while low < high:
            middle = (low + high) // 2
            if (-self._stamp_at(middle), -self._id_at(middle)) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def _rank(self, key: Key) -> int:
        position = self._seeded_before(key)
        return position - bisect_left(self._holes, position) + bisect_left(self._moved, key)

    def _split(self, offset: int) -> tuple[int, int]:
        """Count the moved rows above an offset, and all of them."""
        low, high = 0, len(self._moved)
        while low < high:
            middle = (low + high) // 2
            if self._rank(self._moved[middle]) < offset:
                low = middle + 1
            else:
                high = middle
        return low, len(self._moved)

    def _seeded(self, rank: int) -> int:
        """Return the position of the seeded row that has `rank` living seeded rows above it."""
        low, high = rank, min(rank + len(self._holes), self._size)
        while low < high:
            middle = (low + high) // 2
            if middle + 1 - bisect_left(self._holes, middle + 1) <= rank:
                low = middle + 1
            else:
                high = middle
        return low


def reservation_order(layout: Layout) -> LiveOrder:
    """Return an account's reservations as they were seeded, newest `updatedOn` first."""
    return LiveOrder(
        layout.reservations,
        id_at=layout.reservation_id,
        stamp_at=layout.updated,
        position_of=layout.reservation_position,
    )


def conversation_order(layout: Layout) -> LiveOrder:
    """Return an account's conversations as they were seeded, newest `messageSentOn` first, those without one last."""
    return LiveOrder(
        layout.conversations,
        id_at=layout.conversation_id,
        stamp_at=layout.sent_order,
        position_of=layout.conversation_place,
    )
