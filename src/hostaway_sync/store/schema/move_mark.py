"""The mark of a move, which replaces the revision in `alembic_version` of both databases.

    from    0015 ────────────────────────────────► moved 0015 TOKEN     refuses writes from now on
    to      none ──► 0015 ──► moving 0015 TOKEN ──────────────────────► 0015

Every release checks the revision before it does anything else, and refuses an unknown one.
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
    """The mark of a move: its kind, the revision of the tables, and the token of the move."""

    kind: str
    revision: str
    token: str

    @classmethod
    def parse(cls, version: str | None) -> Self | None:
        """Return the mark that a version is; None: it is a plain revision."""
        match = _MARK.fullmatch(version or "")
        return cls(*match.groups()) if match else None

    def __str__(self) -> str:
        """Return the mark as it is stored."""
        return f"{self.kind} {self.revision} {self.token}"
