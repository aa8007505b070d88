"""The checks of a message before any request."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from hostaway_sync.errors import MessageRefused, UsageError
from hostaway_sync.messages import guards
from hostaway_sync.platforms.hostaway.statuses import OFF

TODAY = date(2026, 3, 1)
DAY = timedelta(days=1)


@pytest.mark.parametrize("text", ["", " \t\r\n ", "x" * 10_001, "a\0b", "bell \a", "\ud83d"])
def test_unusable_text_is_refused(text: str) -> None:
    """An empty or too long text, and one that no guest could read."""
    with pytest.raises(UsageError, match="the text "):
        guards.require_text(text)


@pytest.mark.parametrize("text", ["Hi", "x" * 10_000, "👨‍👩‍👧 مرحبا\n\n\tÅ\r\n"])
def test_newlines_and_emoji_are_text(text: str) -> None:
    """Every script is allowed, and white space between words."""
    guards.require_text(text)


@pytest.mark.parametrize("key", ["", "k" * 201, "a\nb"])
def test_unusable_idempotency_key_is_refused(key: str) -> None:
    """An empty, endless or unprintable one; no key is allowed."""
    with pytest.raises(UsageError):
        guards.require_key(key)
    guards.require_key(None)
    guards.require_key("stay 41/welcome")
    guards.require_key("k" * 200)


def test_only_allowed_reservations_pass() -> None:
    """Without a list all are allowed, with an empty list none."""
    guards.require_allowed(41, None)
    guards.require_allowed(41, {41})
    for allowed in (set[int](), {42}):
        with pytest.raises(MessageRefused, match="reservation 41 is not in HOSTAWAY_SYNC_SEND_ALLOWLIST"):
            guards.require_allowed(41, allowed)


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_current_stay_is_no_concern(days: int) -> None:
    """Until its last day is over everywhere on earth; an unknown status is no concern, either."""
    for status in ("new", "somethingNew", None):
        assert (
            guards.list_concerns(off=OFF, status=status, departure_date=TODAY - days * DAY, is_gone=False, today=TODAY)
            == ()
        )
    assert guards.list_concerns(off=OFF, status="inquiry", departure_date=None, is_gone=False, today=TODAY) == ()


def test_every_concern_is_listed() -> None:
    """Missing, cancelled and past stays, in this order."""
    found = guards.list_concerns(off=OFF, status="cancelled", departure_date=TODAY - 2 * DAY, is_gone=True, today=TODAY)
    assert found == (
        "it is not listed any more",
        "its status is cancelled",
        "its guest left on 2026-02-27",
    )
