"""Reads from the headers of an answer how long to wait, and how much is allowed. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_RETRY: Final = timedelta(seconds=60)
SHORTEST_RETRY: Final = timedelta(seconds=1)
_LOWEST_UNIX_TIME: Final = 1e9


def parse_retry_delay(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long to wait before the next request, from 1 to 60 s; None when no header says so (API notes, 3).

    The header holds a delay, a date, or a Unix time by the server's own clock.
    """
    server_now = _date(get_header(headers, "date")) or now
    seconds = parse_seconds(get_header(headers, "x-ratelimit-retry-after"))
    if seconds is None:
        seconds = parse_seconds(get_header(headers, "retry-after"))
    if seconds is None:
        moment = _date(get_header(headers, "retry-after"))
        seconds = None if moment is None else (moment - server_now).total_seconds()
    elif seconds > _LOWEST_UNIX_TIME:
        seconds -= server_now.timestamp()
    if seconds is None:
        return None
    clamped = min(max(seconds, SHORTEST_RETRY.total_seconds()), LONGEST_RETRY.total_seconds())
    return timedelta(seconds=clamped)


def parse_seconds(value: object) -> float | None:
    """Return a finite number, also one that is written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def get_header(headers: Mapping[str, str], name: str) -> str:
    """Return a header by its lower-case name; "" when it is missing."""
    return next((value for key, value in headers.items() if key.lower() == name), "")
