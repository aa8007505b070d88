"""CSV (RFC 4180) that a spreadsheet opens without taking what a person wrote for a formula."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Final, Protocol

from hostaway_sync.safe_text import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# Signs that begin a formula, also in their wide forms. Where a comma is for decimals, a semicolon or a tab begins the
# next cell and a line break the next row, whatever quotes are around it; quotes at the beginning of a cell are no part
# of it. Each run of such signs is read once, however long it is.
_FORMULA: Final = re.compile(r"(?<![\s\";])([\s\";]*+)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_BEGINS_CELL: Final = re.compile(r"[;\t\n]")
# PostgreSQL's numbers of types whose text is the value itself: truth, numbers, days and moments, UUID.
_BOOLEAN: Final = 16
_PLAIN: Final = frozenset({_BOOLEAN, 20, 21, 23, 26, 700, 701, 1700, 1082, 1083, 1114, 1184, 1266, 2950})
_TRUTH: Final[Mapping[str | None, str]] = {"t": "true", "f": "false"}
_ROWS_A_PIECE: Final = 200


class CellColumn(Protocol):
    """A column of an answer."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def type_oid(self) -> int:
        """Its type, by PostgreSQL's number."""


def defuse_cell(text: str) -> str:
    """Return a text with an apostrophe before each sign that a spreadsheet may take for the beginning of a formula."""
    return _FORMULA.sub(_defuse, strip_invisible(text))


def _defuse(found: re.Match[str]) -> str:
    begins_cell = found.start() == 0 or _BEGINS_CELL.search(found[0]) is not None
    return f"{found[0]}'" if begins_cell else found[0]


def csv_pieces(columns: Sequence[CellColumn], rows: Iterable[Sequence[str | None]]) -> Iterator[bytes]:
    """Yield a line of names and one line a row, in pieces of whole rows; what is not known is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(column.name for column in columns)
    texts = [place for place, column in enumerate(columns) if column.type_oid not in _PLAIN]
    truths = [place for place, column in enumerate(columns) if column.type_oid == _BOOLEAN]
    for number, row in enumerate(rows, 1):
        cells = list(row)
        for place in texts:
            cell = cells[place]
            # Most cells are a word.
            if cell is not None and not (cell.isalnum() and cell.isascii()):
                cells[place] = defuse_cell(cell)
        for place in truths:
            cells[place] = _TRUTH.get(cells[place])
        writer.writerow(cells)
        if number % _ROWS_A_PIECE == 0:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()
