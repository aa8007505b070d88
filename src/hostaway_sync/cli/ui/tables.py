"""Tables that fit the terminal: one line a row, and a sentence beside each row or beneath the table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hostaway_sync.cli.ui.terminal import echo, is_terminal, plain_text, show, width
from hostaway_sync.model.records import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.table import Table
    from rich.text import Text

_GAP = 2
_LEAST_NOTE = 40
_STYLES = {RunState.SUCCESS: "green", RunState.PARTIAL: "yellow", RunState.FAILED: "red", RunState.SKIPPED: "dim"}


def new_table(headers: Sequence[str], *, right: Collection[str] = ()) -> Table:
    """Return an empty table without lines; the columns in `right` are aligned to the right."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(plain_text(header), justify="right" if header in right else "left")
    return made


def styled_state(state: RunState) -> Text:
    """Return the name of a state in its colour."""
    from rich.text import Text

    return Text(state.value, style=_STYLES.get(state, ""))


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how its cells are aligned, and how it shrinks where there is no room.

    Attributes:
        is_number: its cells are aligned to the right.
        is_spare: left out where not all columns fit, the first one first.
        least: its cells may be cut to so many characters; None: never.
        most: its cells are always cut to so many characters; None: never.
    """

    header: str
    is_number: bool = False
    is_spare: bool = False
    least: int | None = None
    most: int | None = None


@dataclass(slots=True)
class Grid:
    """Rows of cells, each with or without a sentence.

    Attributes:
        is_brief: cut sentences on a terminal that is too narrow for them; in a pipe they are never cut.
    """

    columns: Sequence[Column]
    is_brief: bool = True
    rows: list[tuple[list[Text], str]] = field(default_factory=list)
    _ranks: list[int] = field(default_factory=list)

    def add(self, cells: Sequence[str | Text], note: str = "", rank: int = 0) -> None:
        """Add a row; sentences beneath the table are printed by rank, the lowest first."""
        texts = [plain_text(cell) if isinstance(cell, str) else cell for cell in cells]
        for column, text in zip(self.columns, texts, strict=True):
            if column.most is not None:
                text.truncate(column.most, overflow="ellipsis")
        self.rows.append((texts, note))
        self._ranks.append(rank)

    def show(self) -> None:
        """Print the table, and the sentences beneath it where there is no room beside the rows.

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
        lines = new_table(headers, right=[column.header for column in columns if column.is_number])
        for column in lines.columns:
            column.no_wrap = True
        for cells, note in self.rows:
            lines.add_row(*(cells[place] for place in shown), *([self._fitting(note, room)] if beside else []))
        show(lines)
        if longest and not beside:
            print_paragraph("")
            self._say_notes()

    def _room(self, shown: Sequence[int]) -> int:
        """Return how many characters are left beside the columns; negative: how many are too many."""
        return width() - sum(self._width(place) for place in shown) - _GAP * (len(shown) - 1)

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
                print_paragraph(self._fitting(f"{cells[0].plain}: {note}", width()))

    @property
    def _may_cut(self) -> bool:
        return self.is_brief and is_terminal()

    def _fitting(self, note: str, room: int) -> Text:
        words = plain_text(note)
        if self._may_cut:
            words.truncate(room, overflow="ellipsis")
        return words


def print_paragraph(words: Text | str) -> None:
    """Print a paragraph: wrapped at words on a terminal, in one line elsewhere."""
    if is_terminal():
        show(words if not isinstance(words, str) else plain_text(words))
    else:
        echo(str(words))
