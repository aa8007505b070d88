"""Times as Hostaway writes them: UTC, `YYYY-MM-DD HH:MM:SS`, no zone (API notes, 2.3); inside, whole Unix seconds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

DAY: Final = 86_400
HOUR: Final = 3_600
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
LAST_DAY: Final = date.max.toordinal() - _EPOCH_ORDINAL
"""The last day that can be written."""


class _Days(dict[int, str]):
    """Days since 1970 as text; each is written once."""

    def __missing__(self, day: int) -> str:
        text = date.fromordinal(day + _EPOCH_ORDINAL).isoformat()
        self[day] = text
        return text


_DAYS = _Days()
_MINUTES = [f" {minute // 60:02d}:{minute % 60:02d}:" for minute in range(1440)]
_SECONDS = [f"{second:02d}" for second in range(60)]


def day_text(day: int) -> str:
    """Return a day, counted from 1970-01-01, as `YYYY-MM-DD`."""
    return _DAYS[day]


def day_number(day: date) -> int:
    """Return a date as days since 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def stamp_text(seconds: int) -> str:
    """Return Unix seconds as `YYYY-MM-DD HH:MM:SS`."""
    day, rest = divmod(seconds, DAY)
    return _DAYS[day] + _MINUTES[rest // 60] + _SECONDS[rest % 60]


def parse_stamp(text: object) -> int | None:
    """Read what `stamp_text` wrote; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def parse_day(text: object) -> int | None:
    """Read `YYYY-MM-DD` as days since 1970-01-01; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
