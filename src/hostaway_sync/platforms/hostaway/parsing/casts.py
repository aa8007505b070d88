"""Lenient casts: from the many ways in which Hostaway writes a value to the value of a column.

Each cast returns None for an empty value (null, "", a zero date), and raises `Misfit` for a value that the column
cannot hold. Types vary: the same key holds 1, "1", 1.0 or true (API notes, 2.3 and 9.2).
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

from hostaway_sync.model.timestamps import clamp_moment

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_BIGINT: Final = 2**63 - 1
_LARGEST_AMOUNT: Final = Decimal(10) ** 15
_MOST_DECIMALS: Final = 30
_DECIMAL: Final = re.compile(r"\s*-?0*[0-9]{1,19}\s*")
_DATE_LENGTH: Final = 10
_ZERO_DATE: Final = "0000-00-00"
_REPLACEMENT: Final = "\ufffd"
_PENDING: Final = ("awaiting", "paused")

Cast: TypeAlias = "Callable[[object], object]"


class Misfit(ValueError):
    """A value that its column cannot hold; never leaves `platforms`."""


def as_integer(value: object) -> int | None:
    """Return a BIGINT from an int, a float without fraction, or decimal digits."""
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
    """Return a usable id (1 to 2**63-1), or None; never raises."""
    try:
        number = as_integer(value)
    except Misfit:
        return None
    return number if number is not None and number > 0 else None


def as_amount(value: object) -> Decimal | None:
    """Return an amount of money from a number or from its decimal digits."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal, str)):
        raise Misfit
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise Misfit from None
    if not amount.is_finite() or abs(amount) >= _LARGEST_AMOUNT or int(amount.as_tuple().exponent) < -_MOST_DECIMALS:
        raise Misfit
    return amount


def as_boolean(value: object) -> bool | None:
    """Return a boolean from 0, 1, true, false, "0" or "1"."""
    if value is None or value == "":
        return None
    if value in (0, "0"):
        return False
    if value in (1, "1"):
        return True
    raise Misfit


def as_text(value: object) -> str | None:
    """Return text that PostgreSQL can store: without U+0000."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace("\0", _REPLACEMENT)
    raise Misfit


def as_final(value: object) -> bool | None:
    """Whether the status of a message is final; None for a value that is no status (API notes, 7.3)."""
    return value not in _PENDING if isinstance(value, str) else None


def as_date(value: object) -> date | None:
    """Return a date from 'YYYY-MM-DD', with or without a time behind it."""
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
    """Return an aware UTC time from 'YYYY-MM-DD HH:MM:SS' (which is UTC) or from ISO 8601 with an offset.

    Times near the first and last year of `datetime` are clamped, so that adding a lag cannot overflow.
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
    """Return the text of a time; None for an empty value or a zero date."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Misfit
    return None if value.startswith(_ZERO_DATE) else value
