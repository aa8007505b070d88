"""The normal form of a message's words, and the hours in which none is sent."""

from __future__ import annotations

import pytest

from hostaway_sync.model.messages import QuietHours, normalize_text, read_quiet_hours


def test_white_space_of_any_kind_is_one_space() -> None:
    """Composed and decomposed characters are equal."""
    assert normalize_text(" A\u030a \t\r\n b\u00a0c ") == "\u00c5 b c"


@pytest.mark.parametrize(
    ("hours", "covered"),
    [(QuietHours(9, 12), {9, 10, 11}), (QuietHours(22, 2), {22, 23, 0, 1}), (QuietHours(1, 0), set(range(1, 24)))],
)
def test_quiet_hours_cover_their_first_hour_and_not_their_end(hours: QuietHours, covered: set[int]) -> None:
    """Also past midnight."""
    assert {hour for hour in range(24) if hours.cover(hour)} == covered


@pytest.mark.parametrize("text", ["25-8", "8-25", "24-0"])
def test_hours_beyond_a_day_are_refused(text: str) -> None:
    """A whole day cannot be quiet, either."""
    assert read_quiet_hours(text) is None
