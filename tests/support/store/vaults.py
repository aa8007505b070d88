"""Accounts whose secrets lie in a vault, and what the vault holds of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr

from hostaway_sync.errors import SecretError
from hostaway_sync.model.records import AccessToken
from hostaway_sync.secrets.aws import AwsSecrets
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers.fake_aws import FakeAws

    from hostaway_sync.secrets import KeyRing
    from hostaway_sync.store.postgres.database import Database


SECRET = SecretStr("hunter2-secret")
NOW = datetime.now(UTC)
TOKEN = AccessToken(SecretStr("hunter2-token"), NOW, NOW + timedelta(days=700))


def refuse_ring() -> KeyRing:
    """Behave as a machine without a key."""
    raise SecretError("there is no key here")


def open_vault(database: Database, ring: Callable[[], KeyRing] = refuse_ring) -> Vault:
    """Return a vault as in a process of its own."""
    return Vault(database, ring, {"aws": AwsSecrets})


def add_account(database: Database, safe: Vault | KeyRing, number: int = 1, token: AccessToken | None = TOKEN) -> None:
    """Store an account."""
    account_changes.insert_account(database, safe, number, SECRET, token, name=None, customer_id=None)


def stored_token(fake_aws: FakeAws) -> str:
    """Return the one account's token in AWS."""
    return fake_aws.secrets()["accounts/1/access_token"]


def assert_all_named(database: Database, fake_aws: FakeAws) -> None:
    """Check that the rows name every secret outside, and no other."""
    named = database.transaction(sealing.read_all_secrets)
    assert len(named) == fake_aws.count()
    opener = open_vault(database)
    for place, kept in named:
        opener.open(kept, place)
