from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from pydantic import SecretStr
from tests.support import sql
from tests.support.records import at

from hostaway_sync.errors import AccountError, SecretError
from hostaway_sync.model.records import AccessToken
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.accounts import queries as account_queries

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

SECRET = SecretStr("hunter2-secret")
TOKEN = AccessToken(SecretStr("hunter2-token"), at(0), at(0) + timedelta(days=365))
CUSTOMER = UUID(int=5)


def insert(database: Database, ring: KeyRing, account_id: int = 1, token: AccessToken | None = None) -> None:
    """Store an account with the secret of these tests."""
    account_changes.insert_account(database, ring, account_id, SECRET, token, name="Sea View", customer_id=CUSTOMER)


def test_account_is_stored_and_found(database: Database, ring: KeyRing) -> None:
    """Its public fields are those that were stored; it is active and was never synced."""
    assert account_queries.find_account(database, 1) is None
    insert(database, ring)
    found = account_queries.find_account(database, 1)
    assert found is not None
    assert (found.account_id, found.name, found.customer_id, found.is_active) == (1, "Sea View", CUSTOMER, True)
    assert found.last_sync_at is None
    assert account_queries.get_active_account(database, 1) == found


def test_accounts_are_listed_by_id_with_or_without_disabled(database: Database, ring: KeyRing) -> None:
    """All of them, or those that are synced."""
    for account_id in (30, 4, 100):
        insert(database, ring, account_id)
    sql.execute(database, "UPDATE accounts SET is_active = false WHERE account_id = 30")
    assert [account.account_id for account in account_queries.list_accounts(database)] == [4, 30, 100]
    assert [account.account_id for account in account_queries.list_accounts(database, only_active=True)] == [4, 100]


def test_unknown_and_disabled_accounts_are_refused_with_a_reason(database: Database, ring: KeyRing) -> None:
    """They have different sentences."""
    with pytest.raises(AccountError, match=r"account 1 is not known here: add it with `hostaway-sync account add 1`"):
        account_queries.get_active_account(database, 1)
    insert(database, ring)
    sql.execute(database, "UPDATE accounts SET is_active = false")
    with pytest.raises(AccountError, match="account 1 is disabled"):
        account_queries.get_active_account(database, 1)


def test_account_is_stored_once(database: Database, ring: KeyRing) -> None:
    """A second insert is an error and leaves the first one's secret."""
    insert(database, ring)
    before = sql.row(database, "SELECT * FROM accounts")
    with pytest.raises(AccountError, match="account 1 exists already"):
        insert(database, ring, token=TOKEN)
    assert sql.row(database, "SELECT * FROM accounts") == before


def test_secrets_are_stored_sealed(database: Database, ring: KeyRing) -> None:
    """Neither secret nor token can be read from the row; both open with the ring."""
    insert(database, ring, token=TOKEN)
    assert b"hunter2" not in bytes(sql.row(database, "SELECT accounts::text::bytea AS all FROM accounts").all)
    row = sql.row(database, "SELECT client_secret, access_token FROM accounts")
    assert b"hunter2" not in bytes(row.client_secret) + bytes(row.access_token)
    assert account_queries.open_client_secret(database, ring, 1) == SECRET
    assert account_queries.StoredToken(database, ring, 1).load() == TOKEN


def test_secret_moved_to_another_account_does_not_open(database: Database, ring: KeyRing) -> None:
    """Neither does one that was moved to the token's column."""
    insert(database, ring, 1)
    insert(database, ring, 2)
    sql.execute(
        database,
        "UPDATE accounts SET client_secret = (SELECT client_secret FROM accounts WHERE account_id = 1),"
        " access_token = client_secret WHERE account_id = 2",
    )
    with pytest.raises(SecretError, match=r"accounts\.client_secret of 2 does not open"):
        account_queries.open_client_secret(database, ring, 2)
    with pytest.raises(SecretError, match=r"accounts\.access_token of 2 does not open"):
        account_queries.StoredToken(database, ring, 2).load()


def test_another_key_ring_does_not_open_the_secret(database: Database, ring: KeyRing) -> None:
    """The sentence names the place and the key, not the value."""
    insert(database, ring)
    with pytest.raises(SecretError, match=r"accounts\.client_secret of 1 is sealed with key [0-9a-f]{8}, which"):
        account_queries.open_client_secret(database, KeyRing([b"x" * 32]), 1)


def test_token_is_opened_once_until_it_is_renewed(database: Database, ring: KeyRing) -> None:
    """Whichever process renews it; a rotation that seals the same token anew is no renewal."""
    insert(database, ring, token=TOKEN)
    vault, another = (account_queries.StoredToken(database, ring, 1) for _ in range(2))
    assert vault.load() is vault.load()
    later = AccessToken(SecretStr("later"), at(1), at(2))
    another.save(later)
    assert vault.load() == later
    assert vault.load() is vault.load()
    sql.execute(database, "UPDATE accounts SET access_token = NULL")
    assert vault.load() is None


def test_new_token_replaces_the_last_one(database: Database, ring: KeyRing) -> None:
    """Load returns the last saved token, or None; other accounts keep theirs."""
    insert(database, ring, 1)
    insert(database, ring, 2, TOKEN)
    vault = account_queries.StoredToken(database, ring, 1)
    assert vault.load() is None
    later = AccessToken(SecretStr("later"), at(1), at(2))
    for token in (TOKEN, later):
        vault.save(token)
        assert vault.load() == token
    assert account_queries.StoredToken(database, ring, 2).load() == TOKEN


def test_token_in_memory_needs_no_account() -> None:
    """The vault of an account that is not stored yet keeps the token in memory."""
    vault = account_queries.InMemoryToken()
    assert vault.load() is None
    vault.save(TOKEN)
    assert vault.load() == vault.token == TOKEN
