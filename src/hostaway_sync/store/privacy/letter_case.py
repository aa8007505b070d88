"""Text without what is no difference between two names or addresses: capitals, forms of Unicode, hidden signs.

Python does it, not the database, where small letters depend on the locale.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from hostaway_sync.safe_text import strip_invisible

_MOST_ROUNDS: Final = 4
_DOT_ABOVE: Final = "i\u0307"


def fold_case(text: str) -> str:
    """Return a text in small letters, composed; it is idempotent.

    Capital and small I with and without a dot are one letter: which belongs to which depends on the writer's language.
    So are a sharp s and two of the usual, and letters of other widths and styles.
    """
    for _ in range(_MOST_ROUNDS):
        before = text
        text = unicodedata.normalize("NFKC", strip_invisible(unicodedata.normalize("NFKC", text)))
        text = text.casefold().replace("\u0131", "i").replace(_DOT_ABOVE, "i")
        if text == before:
            break
    return text
