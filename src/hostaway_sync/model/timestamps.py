"""What is believed of a moment, and arithmetic that ends where time does. Pure: the clock is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
"""A mark about the past that lies further ahead of the database's clock was made when that clock was wrong."""

WATERMARK_LAG: Final = timedelta(minutes=15)
"""Read again below a watermark: stamps of one moment may become visible one after the other.

So far a source's own stamp may be ahead, too.
"""

# A day inside of what a datetime holds, so that every time zone and every lag has room.
EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FutureMarks:
    """The marks of one column that lie in the future: how many, and by how much the furthest does."""

    column: str
    marks: int
    furthest_by: timedelta


@dataclass(frozen=True, slots=True)
class FutureMarksReport:
    """All marks that lie in the future; `unread` are the tables that took too long to look through."""

    found: tuple[FutureMarks, ...]
    skipped_tables: tuple[str, ...] = ()


def clamp_moment(moment: datetime) -> datetime:
    """Return a moment, aware or not, as UTC between the ends of time.

    Raises:
        OverflowError: it is none in UTC.
    """
    # As `replace(tzinfo=UTC)`, in a fifth of the time.
    aware = datetime.combine(moment, moment.time(), UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return min(max(aware, EARLIEST), LATEST)


def subtract_clamped(moment: datetime, by: timedelta) -> datetime:
    """Return the moment that lies `by` before another, or the first there is."""
    return EARLIEST if moment - EARLIEST < by else moment - by


def add_clamped(moment: datetime, by: timedelta) -> datetime:
    """Return the moment that lies `by` after another, or the last there is."""
    return LATEST if LATEST - moment < by else moment + by


def is_credible_mark(mark: datetime | None, now: datetime) -> bool:
    """Whether a mark about the past is there, and not from the future."""
    return mark is not None and mark <= add_clamped(now, MAX_CLOCK_SKEW)


def is_credible_stamp(stamp: datetime, asked_at: datetime) -> bool:
    """Whether a source's stamp may set a watermark or end a walk: it lies at most the lag ahead of the request."""
    return stamp <= add_clamped(asked_at, WATERMARK_LAG)
