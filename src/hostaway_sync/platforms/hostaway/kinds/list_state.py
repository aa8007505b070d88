"""Whether a list that may or may not come in pages has shown its end, and whether rows of it may be missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hostaway_sync.platforms.hostaway.kinds.spec import LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

# A server that gives fewer rows than were asked for gives a round number of them, as all known limits are.
LARGE_PAGE: Final = 50
ROUND: Final = 5
CAME_TWICE: Final = "rows moved while it was read: some came twice"
FULL_AND_REPEATED: Final = "its second page is its first one again, and that is full"
ENDLESS: Final = "its pages do not end"
# No list is so long, even in pages of twenty rows; one whose rows have no ids may be another one each time.
MOST_PAGES: Final = 5_000
FEWER: Final = "{met} rows were read where Hostaway counts {total}"


@dataclass(slots=True)
class ListState:
    """What was met of one list so far.

    Attributes:
        names: of all rows: their ids, or their hashes where they have none.
        offset: how many rows came, repeated ones included.
        pages: how many answers came.
        doubt: why rows may be missing, as a phrase; None: nothing speaks for it.
        is_over: the list has shown its end.
    """

    names: set[str] = field(default_factory=set)
    offset: int = 0
    pages: int = 0
    doubt: str | None = None
    is_over: bool = False

    def add(self, names: Sequence[str], total: int | None) -> None:
        """Take one page, and decide whether another one must be asked for.

        Args:
            names: of its rows.
            total: how many rows the list has, as the answer counts them; None: it does not count.
        """
        self.pages += 1
        new = set(names) - self.names
        if names and not new:
            # The offset is ignored: the list came whole at once, unless that answer was cut.
            is_cut = len(self.names) < total if total else len(names) == LIMIT
            self.doubt = FULL_AND_REPEATED if is_cut else self.doubt
            self.is_over = True
            return
        if self.offset and len(new) < len(names):
            self.doubt = CAME_TWICE
        self.names |= new
        self.offset += len(names)
        if total and total < len(self.names):
            # It counts something else, as the rows of this answer.
            total = None
        if self.pages >= MOST_PAGES and names:
            self.doubt = ENDLESS
            self.is_over = True
            return
        if not names:
            self.is_over = True
            if total and len(self.names) < total:
                self.doubt = FEWER.format(met=len(self.names), total=total)
        else:
            self.is_over = len(self.names) >= total if total else _is_last(len(names))


def _is_last(rows: int) -> bool:
    """Whether a page of a list that does not count its rows must be its last one."""
    return rows < LARGE_PAGE and rows % ROUND != 0
