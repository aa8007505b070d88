"""The text of a statement that a person wrote: whether there is one, where it ends, and where an error is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 1_000_000
# A semicolon behind which is nothing but white space, semicolons and comments.
_END: Final = re.compile(r";(?>\s|;|--[^\n]*+|/\*.*?\*/)*+\Z", re.DOTALL)
_NOTHING: Final = re.compile(r"(?>\s|;|--[^\n]*+|/\*.*?\*/)*+\Z", re.DOTALL)
_SHORT: Final = re.compile(r"(?>\s|--[^\n]*+|/\*.*?\*/)*+(?:EXPLAIN|SHOW)\b", re.DOTALL | re.IGNORECASE)
# A text may have many semicolons; only the last ones can end it.
_MOST_ENDS: Final = 20


def require_statement(text: str) -> None:
    """Require that a text may be a statement.

    Raises:
        UsageError: it is empty, too long, or no text for PostgreSQL.
    """
    if len(text) > LONGEST:
        raise UsageError(f"the statement is longer than {LONGEST:,} characters: put its values into a table or a view")
    if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise UsageError("the statement is not encoded in UTF-8: type it anew, or save its file as UTF-8")
    if "\0" in text:
        raise UsageError("the statement has a zero character, which PostgreSQL's text cannot hold: take it out")
    if _NOTHING.match(text):
        raise UsageError("the statement is empty: give a query, such as 'SELECT count(*) FROM reservations'")
    if text.lstrip().startswith("\\"):
        raise UsageError("commands of psql, which begin with \\, work in `hostaway-sync database shell` alone")


def has_short_answer(text: str) -> bool:
    """Whether a statement is EXPLAIN or SHOW, which are no queries."""
    return _SHORT.match(text) is not None


def without_end(text: str) -> Iterator[str]:
    """Yield the text, then what it may be without the semicolon at its end; only a parser can tell which one is."""
    yield text
    places = [place for place, sign in enumerate(text) if sign == ";"][-_MOST_ENDS:]
    for place in places:
        if _END.match(text, place):
            yield text[:place]


def describe_place(text: str, position: str | None) -> str:
    """Return where in a statement the server found an error, in brackets; nothing where it does not tell.

    Args:
        text: the statement.
        position: the number of a character, counted from 1, as the server says it.
    """
    if not position:
        return ""
    before = text[: int(position) - 1]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f" (line {line}, column {column})" if "\n" in text.strip() else f" (at character {column})"
