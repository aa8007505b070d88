"""What a database says of itself once it was moved, or while a move fills it: a mark where its revision stands.

    from    0015 ────────────────────────────────► moved 0015 TOKEN     takes no writes any more
    to      none ──► 0015 ──► moving 0015 TOKEN ──────────────────────► 0015

Every program looks at the revision before it does anything, and has always refused one that it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

MOVED: Final = "moved"
MOVING: Final = "moving"
SENTENCES: Final = {
    MOVED: "this mirror was moved to another database: set HOSTAWAY_SYNC_DATABASE_URL to that one",
    MOVING: "this database is being filled by `hostaway-sync database move`: run that again if it was cut off",
}

_MARK: Final = re.compile(r"(moved|moving) (\d{4}) ([0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class MoveMark:
    """What stands where the revision was: of which move, and at which revision the tables are."""

    kind: str
    revision: str
    token: str

    @classmethod
    def parse(cls, version: str | None) -> Self | None:
        """Give the mark; None: it is a revision like any other."""
        match = _MARK.fullmatch(version or "")
        return cls(*match.groups()) if match else None

    def __str__(self) -> str:
        """Give it as it is stored."""
        return f"{self.kind} {self.revision} {self.token}"
