"""One event in the life of a reservation, and the words that all events share. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.safe_text import join_lines, strip_invisible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_FIRST_WORDS: Final = 60
_LONGEST_VALUE: Final = 40
NOTHING: Final = "-"
# Where the words of the name alone say something else.
_NAMES: Final = {"is_available": "available", "available_units": "free units"}
_SEAM: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class LifeKind(StrEnum):
    """What an event is about."""

    BOOKED = "booked"
    CHANGED = "changed"
    MISSING = "missing"
    RETURNED = "returned"
    ERASED = "erased"
    MESSAGE = "message"
    SEND = "send"
    DELIVERY = "delivery"
    CALENDAR = "calendar"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """One event.

    Attributes:
        at: when it happened, by the source's clock where it says so, else when it was stored.
        kind: what it is about.
        says: what happened, as one clean line; may hold a guest's words.
        resource: of the record that it is about, as in the feed of changes.
        record_id: of that record.
        change_id: the change that tells it; None: it is older than the history, or stands in a table of its own.
        before: the values that were replaced, as in the feed.
        after: the values that replaced them.
        cause: as in the feed.
        cause_id: as in the feed.
    """

    at: datetime
    kind: LifeKind
    says: str
    resource: str
    record_id: str
    change_id: int | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    cause: str | None = None
    cause_id: str | None = None


def one_line(text: str) -> str:
    """Return a text as one line without anything that a terminal obeys."""
    return " ".join(strip_invisible(join_lines(text)).split())


def quote_words(text: str) -> str:
    """Return the first words of a text in quotation marks, as one line."""
    line = one_line(text)
    if not line:
        return "(no text)"
    return f'"{line}"' if len(line) <= _FIRST_WORDS else f'"{line[:_FIRST_WORDS].rstrip()}…"'


def tell_value(value: object) -> str:
    """Return a value as a person reads it, as one short line."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:f}" if isinstance(value, Decimal) and abs(value.adjusted()) < _LONGEST_VALUE else str(value)
    line = one_line(text)
    return line if len(line) <= _LONGEST_VALUE else f"{line[:_LONGEST_VALUE]}…"


def tell_name(name: str) -> str:
    """Return the name of a column or of a key of the source as words: `minimum_stay` as minimum stay."""
    words = _SEAM.sub(" ", name).replace("_", " ").lower()
    return tell_value(_NAMES.get(name, words))


def tell_differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Return which values changed, old → new, by name."""
    old, new = before or {}, after or {}
    names = sorted(old.keys() | new.keys())
    return ", ".join(f"{tell_name(name)} {tell_value(old.get(name))} → {tell_value(new.get(name))}" for name in names)
