"""Ids in text from outside: arguments, files and URLs."""

from __future__ import annotations

from typing import Final

LARGEST_ID: Final = 2**63 - 1
# Python refuses to convert more than 4,300 digits, and is slow below that limit.
_MOST_DIGITS: Final = len(str(LARGEST_ID))


def read_id(text: str) -> int | None:
    """Return the id that `text` holds, from 1 to 2^63 - 1 in ASCII digits, or None if it holds none."""
    if len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if 0 < number <= LARGEST_ID else None
