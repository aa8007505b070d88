"""What `status --size` shows: what takes space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.cli.grid import Column, Grid, say

if TYPE_CHECKING:
    from hostaway_sync.store.size import Size

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_STEP: Final = 1024


def print_size(size: Size) -> None:
    """Print a line a table, the largest first, and the sum."""
    numbers = (Column(name, is_number=True) for name in ("rows, about", "heap", "indexes", "long values", "total"))
    grid = Grid([Column("table"), *numbers])
    for table in size.tables:
        parts = (human(part) for part in (table.heap, table.indexes, table.toast, table.total))
        grid.add([table.name, f"{table.rows:,}", *parts])
    grid.show()
    say("")
    say(f"{human(sum(table.total for table in size.tables))} of {human(size.database)} in this database are ours")


def human(size: float) -> str:
    """Give a number of bytes in the largest unit of which there is one."""
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} {_UNITS[-1]}"
