"""What `status --size` shows: what takes space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.cli.ui.tables import Column, Grid, print_paragraph

if TYPE_CHECKING:
    from hostaway_sync.store.status.size import Size

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_STEP: Final = 1024
# The others are many, and take next to nothing.
_SHOWN: Final = 12


def print_size(size: Size) -> None:
    """Print a line for each of the largest tables, one for all others, and the sum."""
    numbers = (Column(name, is_number=True) for name in ("rows, about", "heap", "indexes", "long values", "total"))
    grid = Grid([Column("table"), *numbers])
    for table in size.tables[:_SHOWN]:
        parts = (format_size(part) for part in (table.heap, table.indexes, table.toast, table.total))
        grid.add([table.name, f"{table.rows:,}", *parts])
    others = size.tables[_SHOWN:]
    if others:
        grid.add([f"{len(others)} others", "", "", "", "", format_size(sum(table.total for table in others))])
    grid.show()
    print_paragraph("")
    ours = sum(table.total for table in size.tables)
    print_paragraph(f"{format_size(ours)} of {format_size(size.database)} in this database are ours")


def format_size(size: float) -> str:
    """Return a number of bytes in the largest unit of which there is at least one."""
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} {_UNITS[-1]}"
