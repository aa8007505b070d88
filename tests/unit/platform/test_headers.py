"""The values of an answer's headers."""

from __future__ import annotations

import pytest

from hostaway_sync.platforms.hostaway.http.headers import get_header, parse_seconds


def test_header_is_found_in_any_case() -> None:
    """The first of two counts; a missing one is empty."""
    headers = {"Retry-After": "7", "RETRY-AFTER": "8", "Date": "now"}
    assert get_header(headers, "retry-after") == "7"
    assert get_header(headers, "x-ratelimit-limit") == ""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(7, 7.0), (0.5, 0.5), (" 7.5 ", 7.5), ("1e3", 1000.0), (True, None), (None, None), ("", None), ("nan", None)],
)
def test_only_finite_numbers_are_seconds(value: object, seconds: float | None) -> None:
    """As a number or as text; a truth value is no number."""
    assert parse_seconds(value) == seconds
