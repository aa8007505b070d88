"""The values of an answer's headers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hostaway_sync.platforms.hostaway.http.headers import get_header, parse_retry_delay, parse_seconds


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


def test_wait_is_measured_by_the_servers_clock() -> None:
    """From the date of its answer to the moment that it names, also where this machine's clock is an hour ahead."""
    server_now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    soon = server_now + timedelta(seconds=8)
    for headers in (
        {"X-RateLimit-Retry-After": f"{soon.timestamp():.0f}"},
        {"Retry-After": format_datetime(soon, usegmt=True)},
    ):
        dated = {"Date": format_datetime(server_now, usegmt=True), **headers}
        assert parse_retry_delay(dated, server_now + timedelta(hours=1)) == timedelta(seconds=8)
