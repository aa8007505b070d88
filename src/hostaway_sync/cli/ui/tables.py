"""Tables that fit: one line a row however narrow the terminal is, and a sentence beside the rows or beneath them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hostaway_sync.cli.ui import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

_GAP = 2
_LEAST_NOTE = 40


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how its cells stand, and how it gives way where there is no room.

    Attributes:
        is_number: its cells stand on the right.
        is_spare: left out where not all columns fit, the first one first.
        least: its cells may be cut to so many letters; None: never.
        most: its cells are always cut to so many letters; None: never.
    """

    header: str
    is_number: bool = False
    is_spare: bool = False
    least: int | None = None
    most: int | None = None


@dataclass(slots=True)
class Grid:
    """Rows of cells, each with a sentence or none.

    Attributes:
        is_brief: sentences are cut where a terminal is too narrow for them; where nobody watches they never are.
    """

    columns: Sequence[Column]
    is_brief: bool = True
    rows: list[tuple[list[Text], str]] = field(default_factory=list)
    _ranks: list[int] = field(default_factory=list)

    def add(self, cells: Sequence[str | Text], note: str = "", rank: int = 0) -> None:
        """Add a row; where sentences stand beneath, the one of the lowest rank stands first."""
        texts = [output.plain(cell) if isinstance(cell, str) else cell for cell in cells]
        for column, text in zip(self.columns, texts, strict=True):
            if column.most is not None:
                text.truncate(column.most, overflow="ellipsis")
        self.rows.append((texts, note))
        self._ranks.append(rank)

    def show(self) -> None:
        """Print everything, one line a row, and the sentences beneath where there is no room beside.

        A column without any content is left out.
        """
        shown = [place for place in range(len(self.columns)) if any(cells[place] for cells, _ in self.rows)]
        for spare in [place for place in shown if self.columns[place].is_spare]:
            if self._room(shown) < 0:
                shown.remove(spare)
        self._cut(shown)
        room = self._room(shown) - _GAP
        longest = max((len(note) for _, note in self.rows), default=0)
        beside = longest > 0 and (longest <= room or (self._may_cut and room >= _LEAST_NOTE))
        columns = [self.columns[place] for place in shown]
        headers = [*(column.header for column in columns), *([""] if beside else [])]
        lines = output.table(headers, right=[column.header for column in columns if column.is_number])
        for column in lines.columns:
            column.no_wrap = True
        for cells, note in self.rows:
            lines.add_row(*(cells[place] for place in shown), *([self._fitting(note, room)] if beside else []))
        output.show(lines)
        if longest and not beside:
            say("")
            self._say_notes()

    def _room(self, shown: Sequence[int]) -> int:
        """Give how many letters are left beside the columns; below 0: how many there are too many."""
        return output.width() - sum(self._width(place) for place in shown) - _GAP * (len(shown) - 1)

    def _width(self, place: int) -> int:
        return max([len(self.columns[place].header), *(cells[place].cell_len for cells, _ in self.rows)])

    def _cut(self, shown: Sequence[int]) -> None:
        for place in shown:
            least, excess = self.columns[place].least, -self._room(shown)
            if least is not None and excess > 0:
                most = max(least, self._width(place) - excess)
                for cells, _ in self.rows:
                    cells[place].truncate(most, overflow="ellipsis")

    def _say_notes(self) -> None:
        for _, (cells, note) in sorted(zip(self._ranks, self.rows, strict=True), key=lambda pair: pair[0]):
            if note:
                say(self._fitting(f"{cells[0].plain}: {note}", output.width()))

    @property
    def _may_cut(self) -> bool:
        return self.is_brief and output.is_terminal()

    def _fitting(self, note: str, room: int) -> Text:
        words = output.plain(note)
        if self._may_cut:
            words.truncate(room, overflow="ellipsis")
        return words


def say(words: Text | str) -> None:
    """Print a paragraph: broken at words on a terminal, whole elsewhere."""
    if output.is_terminal():
        output.show(words if not isinstance(words, str) else output.plain(words))
    else:
        output.echo(str(words))
