from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostaway_sync.model.callers import Access, Caller, Scope
from hostaway_sync.model.callers.keys import (
    ApiKey,
    StoredKey,
    accept,
    format_token,
    hash_token,
    key_id_of,
    read_key_id,
)
from hostaway_sync.safe_text import hide_private

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
PEPPER = b"p" * 32
TOKEN, BEFORE, OTHER = (format_token("a1B2c3D4e5F6", letter * 44) for letter in "xyz")
KEY = ApiKey("a1B2c3D4e5F6", "crm", Access.of_accounts([1]), frozenset({Scope.READ}), NOW)
STORED = StoredKey(KEY, hash_token(PEPPER, TOKEN))
ROTATED = StoredKey(replace(KEY, previous_until=NOW + DAY), hash_token(PEPPER, TOKEN), hash_token(PEPPER, BEFORE))


def test_no_scope_implies_another() -> None:
    """Not even `admin`."""
    for scope in Scope:
        caller = Caller("crm", frozenset({scope}), Access.everything())
        assert [one for one in Scope if caller.may(one)] == [scope]


def test_access_is_to_one_of_three_kinds() -> None:
    """Some accounts, a customer's, or all; no account at all is not all of them."""
    customer = UUID(int=1)
    assert Access.of_accounts([2, 1, 2]) == Access(frozenset({1, 2}))
    assert Access.of_accounts([]) != Access.everything()
    assert Access.of_customer(customer).customer_id == customer
    with pytest.raises(ValueError, match="not to both"):
        Access(frozenset(), customer)


@pytest.mark.parametrize(
    ("stored", "token", "age", "is_accepted"),
    [
        (STORED, TOKEN, DAY * 9999, True),
        (STORED, OTHER, DAY, False),
        (None, TOKEN, DAY, False),
        (replace(STORED, key=replace(KEY, expires_at=NOW + DAY)), TOKEN, DAY - INSTANT, True),
        (replace(STORED, key=replace(KEY, expires_at=NOW + DAY)), TOKEN, DAY, False),
        (replace(STORED, key=replace(KEY, revoked_at=NOW)), TOKEN, DAY * 0, False),
        (ROTATED, TOKEN, DAY * 2, True),
        (ROTATED, BEFORE, DAY - INSTANT, True),
        (ROTATED, BEFORE, DAY, False),
        (ROTATED, OTHER, DAY - INSTANT, False),
        (replace(ROTATED, key=replace(ROTATED.key, revoked_at=NOW)), BEFORE, DAY - INSTANT, False),
        (replace(STORED, previous_hash=hash_token(PEPPER, BEFORE)), BEFORE, DAY * 0, False),
    ],
)
def test_key_is_accepted_while_it_is_valid(
    stored: StoredKey | None, token: str, age: timedelta, *, is_accepted: bool
) -> None:
    """Expired and revoked ones are not; the secret before a rotation is until its end."""
    found = accept(stored, hash_token(PEPPER, token), NOW + age)
    assert (found is not None) == is_accepted
    if found is not None and stored is not None:
        until = stored.key.previous_until if token == BEFORE else stored.key.expires_at
        assert found == KEY.caller(until)
        assert key_id_of(found.identity) == KEY.key_id
        assert key_id_of(f"token:{KEY.key_id}") is None


def test_empty_hash_proves_nothing() -> None:
    """What stands in for a hash that is missing is accepted neither for an unknown key nor before a rotation."""
    nothing = bytes(32)
    assert accept(None, nothing, NOW) is None
    assert accept(replace(STORED, key=ROTATED.key), nothing, NOW) is None


def test_hash_depends_on_pepper_and_whole_key() -> None:
    """So a hash that is copied into the row of another key proves nothing there."""
    same_secret = format_token("b" * 12, TOKEN[-44:])
    assert len({hash_token(PEPPER, TOKEN), hash_token(b"q" * 32, TOKEN), hash_token(PEPPER, same_secret)}) == 3


@settings(max_examples=40)
@given(st.one_of(st.text(), st.text(alphabet="hsk_aZ9é\x00\ud800", max_size=70), st.just("hsk_" * 1_000_000)))
@pytest.mark.parametrize("around", ["{}", "hsk_{}", "hsk_abcdefghijkl_{}", TOKEN + "{}", "{}" + TOKEN])
def test_text_that_is_no_key_names_none(around: str, text: str) -> None:
    """Of any characters and length, and without an exception; only the exact form names a key."""
    token = around.format(text)
    assert read_key_id(token) == (KEY.key_id if token == TOKEN else None)


def test_last_use_is_noted_once_a_minute() -> None:
    """At once where it never was."""
    used = replace(KEY, last_used_at=NOW)
    minute = timedelta(minutes=1)
    assert [one.is_use_due(NOW + age) for one, age in ((KEY, DAY), (used, minute - INSTANT), (used, minute))] == [
        True,
        False,
        True,
    ]


def test_state_of_a_key_is_one_word() -> None:
    """Revoked counts for more than expired."""
    expired = replace(KEY, expires_at=NOW)
    assert [one.state(NOW) for one in (KEY, expired, replace(expired, revoked_at=NOW))] == [
        "valid",
        "expired",
        "revoked",
    ]


def test_key_in_a_sentence_is_hidden() -> None:
    """Logs and errors tell which key it was, and not its secret."""
    assert hide_private(f"refused {TOKEN}, cut {TOKEN[:30]}") == (
        "refused hsk_a1B2c3D4e5F6_[hidden], cut hsk_a1B2c3D4e5F6_[hidden]"
    )


def test_an_account_is_seen_by_its_id_or_its_customer() -> None:
    """Whoever is bound to accounts sees them, whichever customer has them."""
    ours, theirs = UUID(int=1), UUID(int=2)
    for access, seen in (
        (Access.everything(), [True, True]),
        (Access.of_accounts({5}), [True, False]),
        (Access.of_customer(ours), [True, False]),
    ):
        assert [access.includes(5, ours), access.includes(6, theirs)] == seen
    assert not Access.of_customer(ours).includes(5, None)
