"""How the bytes of one day of a calendar become a `CalendarDay` (API notes, 8)."""

from __future__ import annotations

from functools import lru_cache, partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.model.calendar.days import CalendarDay, DayContent
from hostaway_sync.platforms.hostaway.parsing import json_repair
from hostaway_sync.platforms.hostaway.parsing.casts import (
    Misfit,
    as_amount,
    as_boolean,
    as_date,
    as_integer,
    as_text,
)
from hostaway_sync.platforms.hostaway.parsing.resources import DECODE_ERRORS, HASH_RULE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from hostaway_sync.platforms.hostaway.parsing.casts import Cast

COLUMNS: Final[Mapping[str, tuple[str, Cast]]] = {
    "is_available": ("isAvailable", as_boolean),
    "status": ("status", as_text),
    "price": ("price", as_amount),
    "minimum_stay": ("minimumStay", as_integer),
    "maximum_stay": ("maximumStay", as_integer),
    "closed_on_arrival": ("closedOnArrival", as_boolean),
    "closed_on_departure": ("closedOnDeparture", as_boolean),
    "available_units": ("countAvailableUnits", as_integer),
    "note": ("note", as_text),
}
"""Column → key and cast."""
# Stays that are embedded although they were not asked for: they have rows of their own, where a guest can be erased.
_DROPPED: Final = frozenset({"reservations"})
# Whether the day was sent to the channels: it changes although the day does not.
_VOLATILE: Final = frozenset({"isProcessed"})
_DIGEST_BYTES: Final = 16
_NULL: Final = msgspec.Raw(b"null")
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUES: Final = msgspec.json.Decoder(dict[str, Any])


def as_calendar_day(raw: bytes) -> CalendarDay | None:
    """Return one day as it will be stored, or None if it has no usable date; never raises, whatever its bytes are."""
    try:
        members = _MEMBERS.decode(json_repair.clean_json(raw)[0] if json_repair.is_suspect(raw) else raw)
        day = _read_date(bytes(members["date"]))
    except (*DECODE_ERRORS, json_repair.NotJson, Misfit, KeyError):
        return None
    if day is None:
        return None
    digest = HASH_RULE + blake2b(b"\0".join(_list_compared(members)), digest_size=_DIGEST_BYTES).digest()
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
