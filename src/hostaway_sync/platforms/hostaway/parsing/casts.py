"""Lenient casts: whatever Hostaway may write for a value, as the value it means.

Each cast gives None where the source says "nothing" (null, "", a zero date), and raises `Misfit` where it says
something that the column cannot hold. Types wobble: the same key holds 1, "1", 1.0 or true (API notes, 2.3 and 9.2).
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

from hostaway_sync.model.timestamps import clamp_moment

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_BIGINT: Final = 2**63 - 1
_DECIMAL: Final = re.compile(r"\s*-?0*[0-9]{1,19}\s*")
_DATE_LENGTH: Final = 10
_ZERO_DATE: Final = "0000-00-00"
_REPLACEMENT: Final = "\ufffd"
_PENDING: Final = ("awaiting", "paused")

Cast: TypeAlias = "Callable[[object], object]"


class Misfit(ValueError):
    """A value that its column cannot hold; never leaves `source`."""


def as_integer(value: object) -> int | None:
    """Give a BIGINT: an int, a float without fraction, or decimal digits."""
    if type(value) is int:
        number = value
    elif value is None or value == "":
        return None
    elif _is_whole(value) or _is_decimal(value):
        number = int(value)
    else:
        raise Misfit
    if -LARGEST_BIGINT - 1 <= number <= LARGEST_BIGINT:
        return number
    raise Misfit


def as_id(value: object) -> int | None:
    """Give a usable id (1 to 2**63-1), or None; never raises."""
    try:
        number = as_integer(value)
    except Misfit:
        return None
    return number if number is not None and number > 0 else None


def as_boolean(value: object) -> bool | None:
    """Give a boolean of 0, 1, true, false, "0" or "1"."""
    if value is None or value == "":
        return None
    if value in (0, "0"):
        return False
    if value in (1, "1"):
        return True
    raise Misfit


def as_text(value: object) -> str | None:
    """Give text that PostgreSQL can store: without U+0000."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace("\0", _REPLACEMENT)
    raise Misfit


def as_final(value: object) -> bool | None:
    """Say of a message's status whether it is there to stay; None of what is no status (API notes, 7.3)."""
    return value not in _PENDING if isinstance(value, str) else None


def as_date(value: object) -> date | None:
    """Give a date of 'YYYY-MM-DD', with or without a time behind it."""
    text = _time_text(value)
    if text is None:
        return None
    try:
        if len(text) > _DATE_LENGTH:
            return datetime.fromisoformat(text).date()
        return date.fromisoformat(text)
    except ValueError:
        raise Misfit from None


def as_timestamp(value: object) -> datetime | None:
    """Give an aware UTC time of 'YYYY-MM-DD HH:MM:SS' (UTC without saying so) or of ISO 8601 with an offset.

    What lies at the ends of time is clamped, so that a lag fits before and after it.
    """
    text = _time_text(value)
    if text is None:
        return None
    try:
        return clamp_moment(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Misfit from None


def _is_whole(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and value.is_integer()


def _is_decimal(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None


def _time_text(value: object) -> str | None:
    """Give the text of a time; None where the source has none, in whichever way it says so."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Misfit
    return None if value.startswith(_ZERO_DATE) else value
