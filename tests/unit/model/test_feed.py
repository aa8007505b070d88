from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.history.feed import OLDEST, FeedCursor

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
