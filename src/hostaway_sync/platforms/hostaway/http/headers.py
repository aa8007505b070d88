"""What the headers of an answer say: how long to wait, how much is allowed. Pure."""

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


def retry_in(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Read when to try again: a Unix time by the server's own clock, or a delay (API notes, 3)."""
    server_now = _date(header(headers, "date")) or now
    seconds = seconds_of(header(headers, "x-ratelimit-retry-after"))
    if seconds is None:
        seconds = seconds_of(header(headers, "retry-after"))
    if seconds is None:
        moment = _date(header(headers, "retry-after"))
        seconds = None if moment is None else (moment - server_now).total_seconds()
    elif seconds > _LOWEST_UNIX_TIME:
        seconds -= server_now.timestamp()
    if seconds is None:
        return None
    clamped = min(max(seconds, SHORTEST_RETRY.total_seconds()), LONGEST_RETRY.total_seconds())
    return timedelta(seconds=clamped)


def seconds_of(value: object) -> float | None:
    """Give a finite number, however it is written; None of anything else."""
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


def header(headers: Mapping[str, str], name: str) -> str:
    """Give a header by its name in small letters; empty when it is not there."""
    return next((value for key, value in headers.items() if key.lower() == name), "")
