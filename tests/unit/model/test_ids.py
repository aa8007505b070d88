from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.ids import LARGEST_ID, read_id


@given(st.integers(1, LARGEST_ID))
def test_every_id_of_64_bits_is_read(number: int) -> None:
    """From the smallest to the largest that PostgreSQL holds."""
    assert read_id(str(number)) == number


@given(st.text())
def test_any_text_is_an_id_or_none(text: str) -> None:
    """No text raises, and an id is written as it was read."""
    number = read_id(text)
    assert number is None or (0 < number <= LARGEST_ID and number == int(text))


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "+1", " 1", "1\n", "1_0", "1.0", "1e3", "٣", "²", str(LARGEST_ID + 1), "9" * 5_000, "0" * 99],
)
def test_other_text_is_no_id(text: str) -> None:
    """Also where Python would read a number, or refuses to read one of so many digits."""
    assert read_id(text) is None
