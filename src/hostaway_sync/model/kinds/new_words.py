"""Words of the source that the views of `core` do not know: statuses and channels that are newer than this release."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST: Final = 5
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class NewWord:
    """A word that no view of `core` knows.

    Attributes:
        kind: `status` or `channel`.
        word: as the source writes it.
        rows: how many reservations have it.
    """

    kind: str
    word: str
    rows: int

    def __str__(self) -> str:
        return f"{self.kind} {self.word if _PLAIN.fullmatch(self.word) else '…'}"


def describe_new_words(words: Sequence[NewWord]) -> str:
    """Return a sentence about words that no view of `core` knows."""
    named = ", ".join(f"{word} ({word.rows})" for word in words[:_MOST]) + (", …" if len(words) > _MOST else "")
    return f"reservations have words that this release does not know, core has unknown or other for them: {named}"
