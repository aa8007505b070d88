"""Quiet hours: the hours in which a guest is not written to, by the local time of the listing. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from datetime import tzinfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours from `begin` until `end`, by local time; over midnight where `end` is the smaller."""

    begin: int
    end: int

    def __str__(self) -> str:
        return f"{self.begin}-{self.end}"

    def cover(self, hour: int) -> bool:
        """Whether an hour of the day is quiet."""
        if self.begin < self.end:
            return self.begin <= hour < self.end
        return hour >= self.begin or hour < self.end


def parse_hours(text: str) -> QuietHours:
    """Return the quiet hours of a text such as `22-8`.

    Raises:
        UsageError: the text is not two different hours of a day.
    """
    match = re.fullmatch(r"\s*(\d{1,2})\s*-\s*(\d{1,2})\s*", text, re.ASCII)
    begin, end = (int(match[1]) % 24, int(match[2]) % 24) if match else (0, 0)
    if match is None or max(int(match[1]), int(match[2])) > 24 or begin == end:  # noqa: PLR2004  (hours of a day)
        raise UsageError(f"quiet hours are two hours of the day, as 22-8, not {text!r}")
    return QuietHours(begin, end)


def find_quiet_end(hours: QuietHours, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the end, in UTC, of the quiet hours at `now`; None: it is not a quiet hour.

    An hour that the clock skips in spring ends when it is skipped; one that it shows twice in autumn, the first time.
    """
    local = now.astimezone(zone)
    if not hours.cover(local.hour):
        return None
    day = local.date() + timedelta(days=local.hour >= hours.end)
    shown = datetime.combine(day, time(hours.end), zone)
    first, second = (shown.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    end = first if first > now else second
    # Where the clock skips from this end past the next beginning, there is no hour in between.
    return find_quiet_end(hours, zone, end) or end
