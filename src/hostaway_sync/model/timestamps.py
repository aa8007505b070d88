"""Which timestamps are credible, and arithmetic within the range of `datetime`. Pure: no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
"""A stored timestamp of the past may be this far ahead of the database's clock; beyond that, the clock was wrong."""

WATERMARK_LAG: Final = timedelta(minutes=15)
"""How far below a watermark a run reads again, because objects of one moment may become visible one after the other.

An object's own timestamp may be this far ahead, too.
"""

# A day within the range of `datetime`, so that a change of time zone and the lag never leave it.
EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FutureMarks:
    """The future timestamps of one column: how many there are, and how far ahead the last one is."""

    column: str
    marks: int
    furthest_by: timedelta


@dataclass(frozen=True, slots=True)
class FutureMarksReport:
    """All stored timestamps that lie in the future; `skipped_tables` took too long to search."""

    found: tuple[FutureMarks, ...]
    skipped_tables: tuple[str, ...] = ()


def clamp_moment(moment: datetime) -> datetime:
    """Return a moment in UTC, limited to `EARLIEST` and `LATEST`; a naive one counts as UTC.

    Raises:
        OverflowError: the moment cannot be expressed in UTC.
    """
    # Does the same as `replace(tzinfo=UTC)`, five times as fast.
    aware = datetime.combine(moment, moment.time(), UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return min(max(aware, EARLIEST), LATEST)


def subtract_clamped(moment: datetime, by: timedelta) -> datetime:
    """Return `moment - by`, at least `EARLIEST`."""
    return EARLIEST if moment - EARLIEST < by else moment - by


def add_clamped(moment: datetime, by: timedelta) -> datetime:
    """Return `moment + by`, at most `LATEST`."""
    return LATEST if LATEST - moment < by else moment + by


def is_credible_mark(mark: datetime | None, now: datetime) -> bool:
    """Whether a stored timestamp of the past is set and not in the future."""
    return mark is not None and mark <= add_clamped(now, MAX_CLOCK_SKEW)


def is_credible_stamp(stamp: datetime, asked_at: datetime) -> bool:
    """Whether an object's own timestamp may set a watermark or end a walk: at most the lag ahead of the request."""
    return stamp <= add_clamped(asked_at, WATERMARK_LAG)
