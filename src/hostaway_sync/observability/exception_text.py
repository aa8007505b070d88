"""Describes exceptions without private text: their class, their traceback, and the safe part of their message."""

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
    """Return the message of an error of ours; of any other error its class and the safe part of its first line."""
    return str(error) if isinstance(error, HostawaySyncError) else f"unexpected {_class_and_text(error)}"


def format_traceback(error: BaseException) -> str:
    """Return a traceback in Python's format, with the safe part of each exception's message."""
    return "".join(_format_chain(error, set()))


def _format_chain(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before, link = (error.__cause__, _CAUSED) if error.__cause__ is not None else (error.__context__, _MEANWHILE)
    is_hidden = error.__cause__ is None and error.__suppress_context__
    if before is not None and not is_hidden and id(before) not in seen:
        yield from _format_chain(before, seen)
        yield link
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(error.__traceback__)
    yield f"{_class_and_text(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _format_chain(one, seen)


def _class_and_text(error: BaseException) -> str:
    name = type(error).__qualname__
    name = name if type(error).__module__ == "builtins" else f"{type(error).__module__}.{name}"
    text = _safe_text(error)
    return f"{name}: {text}" if text else name


def _safe_text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as failure:  # noqa: BLE001  (an exception that cannot be shown must not hide the one it is about)
        return type(failure).__name__
    return text if isinstance(error, HostawaySyncError) else quote_safely(next(iter(text.strip().splitlines()), ""))
