"""Which timestamps count, and the limits of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.support.local_zone import local_zone

from hostaway_sync.model.timestamps import (
    EARLIEST,
    LATEST,
    MAX_CLOCK_SKEW,
    WATERMARK_LAG,
    add_clamped,
    clamp_moment,
    is_credible_mark,
    is_credible_stamp,
    subtract_clamped,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


def test_moment_is_in_utc_whatever_the_local_zone() -> None:
    """One without a zone counts as UTC; one of another zone stays the same moment."""
    with local_zone("America/New_York"):
        for moment in (datetime(2026, 3, 1, 12), NOON.astimezone(timezone(-5 * HOUR))):  # noqa: DTZ001  (the case)
            clamped = clamp_moment(moment)
            assert clamped == NOON
            assert clamped.tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "clamped"),
    [
        (EARLIEST - MOMENT, EARLIEST),
        (LATEST + MOMENT, LATEST),
        ((EARLIEST - DAY).replace(tzinfo=None), EARLIEST),
        ((LATEST + DAY).replace(tzinfo=None), LATEST),
    ],
)
def test_moment_at_the_end_of_time_is_clamped(moment: datetime, clamped: datetime) -> None:
    """A day remains on either side, for another zone and for the lag."""
    assert clamp_moment(moment) == clamped


def test_sums_and_differences_stay_within_time() -> None:
    """No duration causes an error."""
    assert add_clamped(NOON, HOUR) == NOON + HOUR
    assert subtract_clamped(NOON, HOUR) == NOON - HOUR
    assert add_clamped(LATEST - HOUR, HOUR) == LATEST
    assert subtract_clamped(EARLIEST + HOUR, HOUR) == EARLIEST
    for by in (2 * HOUR, timedelta.max):
        assert add_clamped(LATEST - HOUR, by) == LATEST
        assert subtract_clamped(EARLIEST + HOUR, by) == EARLIEST


def test_marks_and_stamps_count_up_to_their_skew() -> None:
    """Our own marks by the skew of clocks, the source's by the lag; a missing one does not count."""
    assert is_credible_mark(NOON + MAX_CLOCK_SKEW, NOON)
    assert not is_credible_mark(NOON + MAX_CLOCK_SKEW + MOMENT, NOON)
    assert not is_credible_mark(None, NOON)
    assert is_credible_stamp(NOON + WATERMARK_LAG, NOON)
    assert not is_credible_stamp(NOON + WATERMARK_LAG + MOMENT, NOON)
