"""The answer of a query as a table of any length: the first rows decide how wide a column is, longer cells are cut."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Protocol

from hostaway_sync.cli.ui import terminal
from hostaway_sync.safe_text import join_lines, strip_invisible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP: Final = 2
_SAMPLE: Final = 500
# No column is cut below this width; where not even that fits, the last columns are left out.
_LEAST: Final = 8
# What is read of a cell: it may hold megabytes, and no terminal is wider.
_LONGEST_CELL: Final = 400
# PostgreSQL's numbers of smallint, integer, bigint, oid, real, double precision, numeric and money.
_NUMBERS: Final = frozenset({20, 21, 23, 26, 700, 701, 790, 1700})


class AnswerColumn(Protocol):
    """A column of an answer."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def type_oid(self) -> int:
        """Its type, by PostgreSQL's number."""


def print_answer(columns: Sequence[AnswerColumn], rows: Iterable[Sequence[str | None]]) -> list[str]:
    """Print a line of names and one line a row, none wider than the output; on a terminal also how many there are.

    Returns:
        The columns for which there was no room.
    """
    from rich.text import Text

    heads = [_clean(column.name) for column in columns]
    cleaned = ([_clean(cell) for cell in row] for row in rows)
    sample = list(islice(cleaned, _SAMPLE))
    widths = fit_widths([_widest(place, heads, sample) for place in range(len(heads))], terminal.width())
    is_number = [column.type_oid in _NUMBERS for column in columns]
    terminal.show_lines([Text(_line(heads, widths, is_number), style="bold")])
    number = 0
    for number, cells in enumerate(chain(sample, cleaned), 1):  # noqa: B007  (the last one is the number of rows)
        terminal.write(f"{_line(cells, widths, is_number)}\n")
    if terminal.is_terminal():
        terminal.echo(f"({number:,} {'row' if number == 1 else 'rows'})")
    return heads[len(widths) :]


def fit_widths(wanted: Sequence[int], room: int) -> list[int]:
    """Return the width of each column that is shown, the widest cut first until all fit into the room."""
    shown = list(wanted)
    while len(shown) > 1 and sum(min(width, _LEAST) for width in shown) + _GAP * (len(shown) - 1) > room:
        shown.pop()
    left = max(room - _GAP * (len(shown) - 1), _LEAST)
    widths = dict.fromkeys(range(len(shown)), 0)
    # The narrowest first: what it does not need is the others'.
    for rank, place in enumerate(sorted(widths, key=lambda place: shown[place])):
        widths[place] = min(shown[place], left // (len(shown) - rank))
        left -= widths[place]
    return list(widths.values())


def _widest(place: int, heads: Sequence[str], sample: Sequence[Sequence[str]]) -> int:
    return max(_size(cells[place]) for cells in chain([heads], sample))


def _size(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, width: int) -> str:
    """Return the beginning of a text, with a mark behind it, in so many columns of a terminal."""
    if text.isascii():
        return f"{text[: width - 1]}…"
    from rich.cells import set_cell_size

    return f"{set_cell_size(text, width - 1)}…"


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    return (" " * _GAP).join(_parts(cells, widths, is_number)).rstrip()


def _parts(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> Iterator[str]:
    for cell, width, is_right in zip(cells, widths, is_number, strict=False):
        room = width - _size(cell)
        if room < 0:
            yield _cut(cell, width)
        else:
            yield " " * room + cell if is_right else cell + " " * room


def _clean(cell: str | None) -> str:
    """Return what of a cell is shown: one line, without what steers a terminal."""
    return strip_invisible(join_lines((cell or "")[:_LONGEST_CELL])).replace("\t", " ")
