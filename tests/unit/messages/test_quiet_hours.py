"""Quiet hours by the listing's local clock, on every day of the year in every zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hostaway_sync.errors import UsageError
from hostaway_sync.messages.quiet_hours import find_quiet_end, parse_hours
from hostaway_sync.model.messages import QuietHours

ZONES = sorted(available_timezones() - {"localtime"})
HOURS = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda pair: pair[0] != pair[1])


@pytest.mark.parametrize(
    ("zone", "now", "end"),
    [
        ("Europe/Oslo", "2026-01-10T20:59:59", None),
        ("Europe/Oslo", "2026-01-10T21:00:00", "2026-01-11T07:00:00"),
        ("Europe/Oslo", "2026-01-11T06:59:59", "2026-01-11T07:00:00"),
        ("Europe/Oslo", "2026-01-11T07:00:00", None),
        ("Asia/Kathmandu", "2026-01-10T20:00:00", "2026-01-11T02:15:00"),
        ("Europe/Oslo", "2026-03-28T22:00:00", "2026-03-29T06:00:00"),  # summer time begins in that night
        ("Europe/Oslo", "2026-10-24T22:00:00", "2026-10-25T07:00:00"),  # and ends in this night
        ("Pacific/Apia", "2011-12-30T09:00:00", "2011-12-30T18:00:00"),  # the day that this zone skipped
    ],
)
def test_quiet_hours_follow_the_local_clock(zone: str, now: str, end: str | None) -> None:
    """From 22 to 8, whatever the clock changes in between."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = None if end is None else datetime.fromisoformat(end).replace(tzinfo=UTC)
    found = find_quiet_end(QuietHours(22, 8), ZoneInfo(zone), moment)
    assert found == expected
    assert found is None or found.tzinfo is UTC


def test_quiet_hours_end_when_midnight_comes_again() -> None:
    """At a minute past midnight this clock went back by an hour, so that midnight came twice."""
    place = ZoneInfo("America/St_Johns")
    ends = [
        find_quiet_end(QuietHours(22, 0), place, datetime(2009, 11, 1, 2, minute, tzinfo=UTC)) for minute in (29, 45)
    ]
    assert ends == [datetime(2009, 11, 1, 2, 30, tzinfo=UTC), datetime(2009, 11, 1, 3, 30, tzinfo=UTC)]


@example("America/St_Johns", (22, 0), datetime(2009, 11, 1, 2, 45, tzinfo=UTC))
@example("America/Sao_Paulo", (1, 0), datetime(2018, 11, 4, 2, 30, tzinfo=UTC))
@given(
    st.sampled_from(ZONES),
    HOURS,
    st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  (hypothesis adds it)
)
def test_quiet_hours_end_at_the_local_hour(zone: str, pair: tuple[int, int], now: datetime) -> None:
    """The end is later than now, is not quiet, and all moments until then are, within the calendar's range."""
    hours, place = QuietHours(*pair), ZoneInfo(zone)
    end = find_quiet_end(hours, place, now)
    assert (end is not None) == hours.cover(now.astimezone(place).hour)
    assume(end is not None)
    assert end is not None
    assert end > now
    assert not hours.cover(end.astimezone(place).hour)
    assert end - now <= timedelta(hours=50)
    assert parse_hours(str(hours)) == hours


@pytest.mark.parametrize("text", ["", "22", "22-", "-8", "22-22", "0-24", "22-25", "22:00-8:00", "a-b", "٢-8"])
def test_text_without_two_hours_is_refused(text: str) -> None:
    """The error shows the right form."""
    with pytest.raises(UsageError, match="22-8"):
        parse_hours(text)


def test_hour_24_is_hour_0() -> None:
    """Both mean midnight."""
    assert parse_hours(" 22 - 24 ") == QuietHours(22, 0)
    assert QuietHours(9, 17).cover(12)
    assert not QuietHours(9, 17).cover(17)
