"""Removes private values from log lines: guests' data, door and network codes, credentials.

A field is private by its name; in text, `safe_text` finds the private values.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.safe_text import HIDDEN, MAX_TEXT_LENGTH, hide_private, is_private, join_lines

if TYPE_CHECKING:
    from collections.abc import Collection, MutableMapping

__all__ = ["HIDDEN", "LogRedactor", "hide_private"]

_DEEPEST: Final = 20


class LogRedactor:
    """A structlog processor that redacts the fields of a line; place it before the renderer."""

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        """Return redacted copies of the fields of a line."""
        del logger, method
        return {hide_private(str(key)): _value(str(key), value, 0, ()) for key, value in event.items()}


def _value(name: str, value: object, depth: int, above: tuple[int, ...]) -> object:
    if value is None or isinstance(value, bool):
        return value
    if is_private(name):
        return HIDDEN
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (Mapping, list, tuple, AbstractSet)):
        return "..." if depth >= _DEEPEST or id(value) in above else _parts(value, depth + 1, (*above, id(value)))
    # The field "event" is the message of the line, which must stay one line. Other fields may have several.
    return hide_private(join_lines(_shown(value)) if name == "event" and not depth else _shown(value))


def _parts(value: Mapping[Any, Any] | Collection[Any], depth: int, above: tuple[int, ...]) -> object:
    if isinstance(value, Mapping):
        return {hide_private(str(key)): _value(str(key), one, depth, above) for key, one in list(value.items())}
    return [_value("", one, depth, above) for one in list(value)]


def _shown(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value[:MAX_TEXT_LENGTH]).decode(errors="replace")
    try:
        return str(value) if isinstance(value, (str, BaseException)) else repr(value)
    except Exception as error:  # noqa: BLE001  (a log line must not fail for what it shows)
        return f"<{type(value).__name__}: {type(error).__name__}>"
