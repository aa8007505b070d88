"""How the bytes of one day of a calendar become a `CalendarDay` (API notes, 8)."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.model.calendar.days import CalendarDay, DayContent, UnusableEntry
from hostaway_sync.platforms.hostaway.parsing import json_repair
from hostaway_sync.platforms.hostaway.parsing.casts import (
    Misfit,
    as_amount,
    as_boolean,
    as_date,
    as_integer,
    as_text,
)
from hostaway_sync.platforms.hostaway.parsing.resources import DECODE_ERRORS, hash_payload
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from hostaway_sync.model.redaction import Redactor
    from hostaway_sync.platforms.hostaway.parsing.casts import Cast

_CASTS: Final[Mapping[str, Cast]] = {
    "is_available": as_boolean,
    "status": as_text,
    "price": as_amount,
    "minimum_stay": as_integer,
    "maximum_stay": as_integer,
    "closed_on_arrival": as_boolean,
    "closed_on_departure": as_boolean,
    "available_units": as_integer,
    "note": as_text,
}
COLUMNS: Final[Mapping[str, tuple[str, Cast]]] = {
    column: (VOCABULARY.day_keys[column], cast) for column, cast in _CASTS.items()
}
"""Column → key and cast."""
# Stays that are embedded although they were not asked for: they have rows of their own, where a guest can be erased.
_DROPPED: Final = frozenset({"reservations"})
# Whether the day was sent to the channels: it changes although the day does not.
_VOLATILE: Final = frozenset({"isProcessed"})
_NULL: Final = msgspec.Raw(b"null")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUES: Final = msgspec.json.Decoder(dict[str, Any])


def read_entries(
    entries: Sequence[bytes], redactor: Redactor | None = None
) -> tuple[Sequence[CalendarDay], Sequence[UnusableEntry]]:
    """Return the days of an answer, and the entries that are none."""
    days: list[CalendarDay] = []
    unusable: list[UnusableEntry] = []
    for raw in entries:
        day = as_calendar_day(raw, redactor)
        if day is None:
            unusable.append(_as_unusable(raw, redactor))
        else:
            days.append(day)
    return days, unusable


def _as_unusable(raw: bytes, redactor: Redactor | None) -> UnusableEntry:
    reason = "no usable date"
    try:
        _MEMBERS.decode(json_repair.clean_json(raw)[0])
    except (*DECODE_ERRORS, json_repair.NotJson):
        reason = "not an object"
    exact = bytes(raw) if redactor is None else redactor.redact_exact(bytes(raw), None)
    return UnusableEntry(hash_payload(raw, redactor), exact, reason)


def as_calendar_day(raw: bytes, redactor: Redactor | None = None) -> CalendarDay | None:
    """Return one day as it will be stored, or None if it has no usable date; never raises, whatever its bytes are.

    Fields that `redactor` hides are hidden before the day is compared, too.
    """
    try:
        text = json_repair.clean_json(raw)[0] if json_repair.is_suspect(raw) else raw
        if redactor is not None:
            text = redactor.redact(text if isinstance(text, str) else bytes(text).decode())
        members = _MEMBERS.decode(text)
        day = _read_date(bytes(members["date"]))
    except (*DECODE_ERRORS, json_repair.NotJson, Misfit, KeyError):
        return None
    if day is None:
        return None
    compared = b"\0".join(_list_compared(members))
    digest = hash_payload(compared, redactor)
    return CalendarDay(day, digest, partial(_read_content, members))


def _list_compared(members: Mapping[str, msgspec.Raw]) -> list[bytes | msgspec.Raw]:
    """Return keys and values that describe the day, in turn, without null values."""
    compared: list[bytes | msgspec.Raw] = []
    for key, name in _order(tuple(members)):
        value = members[key]
        if value != _NULL:
            compared += (name, value)
    return compared


# The answers of all listings hold the same dates.
@lru_cache(maxsize=2_048)
def _read_date(value: bytes) -> date | None:
    return as_date(msgspec.json.decode(value))


@lru_cache(maxsize=64)
def _order(keys: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    """Return the keys that are compared, sorted, each with its bytes; all days of an answer have the same keys."""
    return tuple((key, key.encode()) for key in sorted(keys) if key not in _DROPPED | _VOLATILE)


def _read_content(members: Mapping[str, msgspec.Raw]) -> DayContent:
    kept = {key: bytes(value) for key, value in members.items() if key not in _DROPPED and value != _NULL}
    payload = (
        "{" + ",".join(f"{msgspec.json.encode(key).decode()}:{value.decode()}" for key, value in kept.items()) + "}"
    )
    values = _VALUES.decode(payload)
    columns: dict[str, object] = {}
    misfits = 0
    for column, (key, cast) in COLUMNS.items():
        try:
            columns[column] = cast(values.get(key))
        except Misfit:
            columns[column] = None
            misfits += 1
    return DayContent(payload, columns, misfits)
