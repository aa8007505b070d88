"""What all walks have in common: in which order pages are asked for, and whether rows may have been left out.

A walk is a generator without I/O. It yields positions: the one that it needs next, then those that it will probably
need after it, which may be fetched at the same time. It is sent the `PageAnswer` for the first. It returns a
`WalkOutcome`.

    reservations   by `afterId`, which is a position in the list as it is now, ordered by `updatedOn`, newest first
                   (API notes, 4.3). A position is the id of a row; None is the top.
    all others     by `offset`, a number of rows to skip in the list as it is now (API notes, 4.2).

Both lists change while they are read. The walks never rely on what is not documented (a cursor row that moved or was
deleted; whether `count` is the total or the rest below a cursor).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from datetime import datetime

ENDED_EARLY: Final = "the list ended before all of its rows were read"
CURSOR_LOST: Final = "the list was lost where its rows moved or vanished"
ORDER_UNKNOWN: Final = "the list changed while it was read, and its order is not known"
CHANGES_TOO_FAST: Final = "the list changes faster than it is read"
NOTHING_NEW: Final = "the pages bring nothing new"
NO_OVERLAP: Final = "the pages do not overlap"


class Row(NamedTuple):
    """What a walk must know of a row: its usable id, Hostaway's stamp, and a digest that names a row without an id."""

    id: int | None
    stamp: datetime | None
    digest: bytes

    @property
    def name(self) -> int | bytes:
        """What tells this row from all others."""
        return self.digest if self.id is None else self.id


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """The rows of one page, or Hostaway's refusal of the position."""

    rows: Sequence[Row] = ()
    count: int | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class WalkOutcome:
    """How a walk ended: why rows may be missing (None: no sign of it), and how many rows the list has at the end."""

    doubt: str | None
    total: int | None


Positions: TypeAlias = tuple[int | None, ...]
Walk: TypeAlias = Generator[Positions, PageAnswer, WalkOutcome]
