from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.history.feed import OLDEST, FeedCursor, parse_since

POSITIONS = st.integers(0, 2**63 - 1)


@given(st.tuples(POSITIONS, POSITIONS).map(sorted), POSITIONS)
def test_a_cursor_is_read_as_it_was_written(range_: list[int], change_id: int) -> None:
    """Whatever the numbers."""
    low, high = range_
    cursor = FeedCursor(low, high, change_id)
    assert FeedCursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "2.1.0",
        "-1.2.3",
        " 1.2.3",
        "1.2.3\n",
        "1.2.x",
        "1.2.9223372036854775808",
        "1.9223372036854775808.2",
        "\u0663.4.5",
    ],
)
def test_other_text_is_no_cursor(text: str) -> None:
    """Not even where only its numbers are impossible."""
    with pytest.raises(ValueError, match="not a cursor"):
        FeedCursor.parse(text)


def test_a_cursor_moves_within_its_batch() -> None:
    """To a change, or behind all below a position."""
    assert FeedCursor(3, 9, 4).at(7) == FeedCursor(3, 9, 7)
    assert FeedCursor.after_all_below(9) == FeedCursor(9, 9, 0)
    assert str(OLDEST) == "0.0.0"


def test_the_ends_of_the_feed_are_places_in_it() -> None:
    """A batch may be empty, and the largest number is one."""
    largest = 2**63 - 1
    for cursor in (OLDEST, FeedCursor(9, 9, 0), FeedCursor(0, largest, 1), FeedCursor(1, 2, largest)):
        assert FeedCursor.parse(str(cursor)) == cursor


def test_since_is_a_cursor_or_a_time() -> None:
    """A time without a zone is in UTC; what is neither, or lies beyond all calendars, is refused."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert parse_since("1.2.3") == FeedCursor(1, 2, 3)
    for text in ("2026-03-01T12:00", "2026-03-01 12:00:00Z", "2026-03-01T13:00+01:00"):
        assert parse_since(text) == noon
    assert parse_since("2026-03-01") == noon.replace(hour=0)
    for text in ("", "yesterday", "2.1.0", "0001-01-01T00:00+14:00"):
        with pytest.raises(ValueError, match="neither a cursor nor a time"):
            parse_since(text)
