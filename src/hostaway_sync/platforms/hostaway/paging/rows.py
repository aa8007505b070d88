"""The rows of a page: at once what a walk must know of them, and their records when they are first used.

A walk asks for the next page as soon as it knows ids and stamps of this one. The thread that stores the page makes its
records meanwhile; it would only wait otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import msgspec

from hostaway_sync.model.records import Record
from hostaway_sync.platforms.hostaway.paging.walk import Row
from hostaway_sync.platforms.hostaway.parsing.casts import Misfit, as_id, as_timestamp
from hostaway_sync.platforms.hostaway.parsing.resources import DECODE_ERRORS, as_record, hash_payload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.model.redaction import Redactor
    from hostaway_sync.platforms.hostaway.parsing.resources import ResourceSpec


def as_row(raw: bytes, spec: ResourceSpec, redactor: Redactor | None = None) -> Row:
    """Return id, stamp and hash of one object, as its record will have them, without making the record."""
    digest = hash_payload(raw, redactor)
    try:
        number, *stamps = msgspec.structs.astuple(spec.head.decode(raw))
        return Row(as_id(number), as_timestamp(stamps[0]) if stamps else None, digest)
    except (*DECODE_ERRORS, Misfit):
        record = as_record(raw, spec, digest)
        return Row(record.id, record.source_updated_at, digest)


def choose_newest(rows: Sequence[Row]) -> list[int]:
    """Return the indexes of the rows to keep: the newest of each id, of equals the first, and all without an id."""
    chosen: dict[int, int] = {}
    without_id: list[int] = []
    for index, row in enumerate(rows):
        if row.id is None:
            without_id.append(index)
        elif row.id not in chosen or _is_newer(row, rows[chosen[row.id]]):
            chosen[row.id] = index
    return [*chosen.values(), *without_id]


class LazyRecords(Sequence[Record]):
    """The records of the newest rows of a page, made when the first of them is used."""

    def __init__(
        self, spec: ResourceSpec, raws: Sequence[bytes], rows: Sequence[Row], redactor: Redactor | None = None
    ) -> None:
        self._spec = spec
        self._redactor = redactor
        self._rows = [(raws[index], rows[index].digest) for index in choose_newest(rows)]
        self._cached: tuple[Record, ...] | None = None

    @property
    def _records(self) -> tuple[Record, ...]:
        if self._cached is None:
            self._cached = tuple(as_record(raw, self._spec, digest, self._redactor) for raw, digest in self._rows)
        return self._cached

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        return self._records[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)


def _is_newer(row: Row, known: Row) -> bool:
    if row.stamp is None:
        return False
    return known.stamp is None or row.stamp > known.stamp
