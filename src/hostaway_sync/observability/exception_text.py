"""How an exception is told that may hold words of others: its kind, where it arose, and what may be repeated of it."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.safe_text import quote_safely

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAUSED = "\nThe above exception was the direct cause of the following exception:\n\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"


def describe_exception(error: BaseException) -> str:
    """Return an error of ours as it is, and of any other its kind and what may be repeated of its first line."""
    return str(error) if isinstance(error, HostawaySyncError) else f"unexpected {_told(error)}"


def format_traceback(error: BaseException) -> str:
    """Return a traceback as Python writes it, with every exception of its chain told so."""
    return "".join(_chain(error, set()))


def _chain(error: BaseException, told: set[int]) -> Iterator[str]:
    told.add(id(error))
    before, link = (error.__cause__, _CAUSED) if error.__cause__ is not None else (error.__context__, _MEANWHILE)
    is_hidden = error.__cause__ is None and error.__suppress_context__
    if before is not None and not is_hidden and id(before) not in told:
        yield from _chain(before, told)
        yield link
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    yield f"{_told(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _chain(one, told)


def _told(error: BaseException) -> str:
    kind = type(error).__qualname__
    kind = kind if type(error).__module__ == "builtins" else f"{type(error).__module__}.{kind}"
    words = _words(error)
    return f"{kind}: {words}" if words else kind


def _words(error: BaseException) -> str:
    try:
        words = str(error)
    except Exception as failure:  # noqa: BLE001  (an exception that cannot be shown must not hide the one it is about)
        return type(failure).__name__
    return words if isinstance(error, HostawaySyncError) else quote_safely(next(iter(words.strip().splitlines()), ""))
