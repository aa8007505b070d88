"""Ids as people and strangers write them: text that is a number of at most 64 bits, or is none."""

from __future__ import annotations

from typing import Final

LARGEST_ID: Final = 2**63 - 1
# Python reads no number of more than 4,300 digits, and takes its time for one of 4,000.
_MOST_DIGITS: Final = len(str(LARGEST_ID))


def read_id(text: str) -> int | None:
    """Return the id that `text` is, from 1 to 2^63 - 1 in ASCII digits; None where it is none, however long it is."""
    if len(text) > _MOST_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if 0 < number <= LARGEST_ID else None
