"""Quiet hours: the hours in which a guest is not written to, by the local time of the listing. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from hostaway_sync.errors import UsageError
from hostaway_sync.model.messages import read_quiet_hours

if TYPE_CHECKING:
    from datetime import tzinfo

    from hostaway_sync.model.messages import QuietHours


def parse_hours(text: str) -> QuietHours:
    """Return the quiet hours of a text such as `22-8`.

    Raises:
        UsageError: the text is not two different hours of a day.
    """
    hours = read_quiet_hours(text)
    if hours is None:
        raise UsageError(f"quiet hours are two hours of the day, as 22-8, not {text!r}")
    return hours


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
