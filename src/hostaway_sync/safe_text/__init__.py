"""Removes private values and unsafe characters from text before it reaches a screen, log, table, ping or span.

    join_lines        replaces line breaks by spaces
    strip_invisible   removes characters that move a cursor, change the direction of text or cannot be seen
    hide_private      strips invisible characters and replaces private values, known by a field's name or by their form
    quote_safely      keeps the known words of a text whose author is unknown, and drops the rest

`hide_private` is for sentences of this program: they name no guest, and no pattern finds a bare name. `quote_safely` is
for text from an API, a database driver or a library: the readable part of an answer, or the text of an exception.
"""

from __future__ import annotations

from hostaway_sync.safe_text.private_values import (
    HIDDEN,
    MAX_TEXT_LENGTH,
    hide_private,
    is_private,
    join_lines,
    register_private_fields,
    strip_invisible,
)
from hostaway_sync.safe_text.quotation import MAX_QUOTE_LENGTH, is_known_word, quote_safely

__all__ = [
    "HIDDEN",
    "MAX_QUOTE_LENGTH",
    "MAX_TEXT_LENGTH",
    "hide_private",
    "is_known_word",
    "is_private",
    "join_lines",
    "quote_safely",
    "register_private_fields",
    "strip_invisible",
]
