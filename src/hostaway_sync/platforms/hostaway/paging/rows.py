"""The rows of a page: at once what a walk must know of them, and their records only when somebody wants them.

A walk asks for the next page as soon as it knows ids and stamps of this one. Whoever stores the page makes the rest of
its records in the meantime, in a thread of its own that would only wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import msgspec

from hostaway_sync.model.records import Record
from hostaway_sync.platforms.hostaway.paging.walk import Row
from hostaway_sync.platforms.hostaway.parsing.casts import Misfit, as_id, as_timestamp
from hostaway_sync.platforms.hostaway.parsing.resources import REFUSALS, as_record, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.model.redaction import Redactor
    from hostaway_sync.platforms.hostaway.parsing.resources import Spec


def as_row(raw: bytes, spec: Spec, redactor: Redactor | None = None) -> Row:
    """Give of one object what its record will say of id, stamp and hash, without making the rest of it."""
    digest = digest_of(raw, redactor)
    try:
        number, *stamps = msgspec.structs.astuple(spec.head.decode(raw))
        return Row(as_id(number), as_timestamp(stamps[0]) if stamps else None, digest)
    except (*REFUSALS, Misfit):
        record = as_record(raw, spec, digest)
        return Row(record.id, record.source_updated_at, digest)


def newest(rows: Sequence[Row]) -> list[int]:
    """Choose one row per id, the newest, of equals the first, and all without an id; give their places."""
    chosen: dict[int, int] = {}
    nameless: list[int] = []
    for place, row in enumerate(rows):
        if row.id is None:
            nameless.append(place)
        elif row.id not in chosen or _is_newer(row, rows[chosen[row.id]]):
            chosen[row.id] = place
    return [*chosen.values(), *nameless]


class LateRecords(Sequence[Record]):
    """The records of the newest rows of a page, made when the first of them is looked at."""

    def __init__(
        self, spec: Spec, raws: Sequence[bytes], rows: Sequence[Row], redactor: Redactor | None = None
    ) -> None:
        self._spec = spec
        self._redactor = redactor
        self._rows = [(raws[place], rows[place].digest) for place in newest(rows)]
        self._made: tuple[Record, ...] | None = None

    @property
    def _records(self) -> tuple[Record, ...]:
        if self._made is None:
            self._made = tuple(as_record(raw, self._spec, digest, self._redactor) for raw, digest in self._rows)
        return self._made

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        return self._records[place]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)


def _is_newer(row: Row, known: Row) -> bool:
    if row.stamp is None:
        return False
    return known.stamp is None or row.stamp > known.stamp
