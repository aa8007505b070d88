from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.model.callers.keys import ApiKey, StoredKey
from hostaway_sync.model.callers.sessions import LASTS, accept_session, begin_session, read_session, seal_form

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
PEPPER, HASH, OTHER_HASH = b"p" * 32, b"h" * 32, b"o" * 32
KEY = ApiKey("a1B2c3D4e5F6", "desk", Access.of_accounts([1]), frozenset({Scope.READ}), NOW)
STORED = StoredKey(KEY, HASH)
BEGUN = begin_session(PEPPER, KEY.key_id, HASH, NOW)
ROTATED = StoredKey(replace(KEY, previous_until=NOW + 2 * HOUR), OTHER_HASH, HASH)
FORGED = BEGUN[:-1] + ("A" if BEGUN[-1] != "A" else "E")
LONGER = BEGUN.replace(str(int((NOW + LASTS).timestamp())), str(int((NOW + 2 * LASTS).timestamp())))


@pytest.mark.parametrize(
    ("stored", "text", "age", "is_accepted"),
    [
        (STORED, BEGUN, LASTS - SECOND, True),
        (STORED, BEGUN, LASTS, False),
        (None, BEGUN, HOUR, False),
        (replace(STORED, key=replace(KEY, revoked_at=NOW)), BEGUN, HOUR, False),
        (replace(STORED, key=replace(KEY, expires_at=NOW + HOUR)), BEGUN, HOUR, False),
        (replace(STORED, secret_hash=OTHER_HASH), BEGUN, HOUR, False),
        (ROTATED, BEGUN, HOUR, True),
        (ROTATED, BEGUN, 2 * HOUR, False),
        (replace(ROTATED, key=KEY), BEGUN, HOUR, False),
        (STORED, FORGED, HOUR, False),
        (STORED, LONGER, HOUR, False),
    ],
)
def test_session_ends_with_its_time_and_with_its_key(
    stored: StoredKey | None, text: str, age: timedelta, *, is_accepted: bool
) -> None:
    """A rotated key keeps its sessions for as long as the secret before is valid."""
    session = read_session(text)
    assert session is not None
    caller = accept_session(PEPPER, session, stored, NOW + age)
    assert caller == (KEY.caller() if is_accepted else None)
    assert accept_session(b"q" * 32, session, stored, NOW + age) is None


def test_text_that_is_no_session_is_none() -> None:
    """Whatever a browser sends as its cookie."""
    for text in ("", "x", BEGUN + "x", BEGUN.replace(".", "", 1), f"{KEY.key_id}.{'9' * 12}.{'a' * 43}", "é" * 60):
        assert read_session(text) is None
    assert b"h" * 8 not in BEGUN.encode()


def test_form_is_sealed_for_one_session() -> None:
    """Another session, and another installation, has another seal."""
    seals = {seal_form(PEPPER, BEGUN), seal_form(PEPPER, FORGED), seal_form(b"q" * 32, BEGUN)}
    assert len(seals) == 3
