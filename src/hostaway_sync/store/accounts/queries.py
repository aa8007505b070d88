"""Accounts, their sealed secrets, and the token that outlives a process."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.errors import AccountError, ConfigurationError, SecretGone
from hostaway_sync.model.records import AccessToken
from hostaway_sync.store import time_marks
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.vault import open_stored_secret, run_secret_transaction
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from uuid import UUID

    from pydantic import SecretStr

    from hostaway_sync.secrets import SecretReader, SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.vault import Vault

_VISIBLE = (
    accounts.c.account_id,
    accounts.c.name,
    accounts.c.customer_id,
    accounts.c.is_active,
    time_marks.null_if_unknown(accounts.c.last_sync_at).label("last_sync_at"),
    accounts.c.created_at,
    accounts.c.updated_at,
    accounts.c.removed_at,
    accounts.c.token_expires_at,
    accounts.c.webhook_url,
    accounts.c.resource_sets,
)


@dataclass(frozen=True, slots=True)
class Account:
    """The columns of an account that may be shown: all but its secrets.

    Attributes:
        account_id: the id that the source gave the account.
        name: a label for the operator.
        customer_id: copied into every mirrored row.
        is_active: whether the account is synced.
        last_sync_at: start of the last successful run.
        created_at: when the account was added.
        updated_at: when its settings last changed.
        removed_at: when its secrets were erased; None: the account was not removed.
        token_expires_at: when the stored token expires; None: no token is stored.
        webhook_url: public URL of the receiver; None: no webhook was ever registered.
        resource_sets: the names of the resources that it mirrors beside the first four; None: those of the setting.
    """

    account_id: int
    name: str | None
    customer_id: UUID | None
    is_active: bool
    last_sync_at: datetime | None
    created_at: datetime
    updated_at: datetime
    removed_at: datetime | None = None
    token_expires_at: datetime | None = None
    webhook_url: str | None = None
    resource_sets: Sequence[str] | None = None


def list_accounts(database: Database, *, only_active: bool = False) -> list[Account]:
    """Return all accounts in the order of their ids."""
    query = sa.select(*_VISIBLE).order_by(accounts.c.account_id)
    if only_active:
        query = query.where(accounts.c.is_active)
    return database.transaction(lambda connection: [Account(**row._asdict()) for row in connection.execute(query)])


def list_mirrored_accounts(database: Database) -> list[Account]:
    """Return the active accounts in the order of their ids.

    Raises:
        ConfigurationError: the database has no account at all, not even a disabled one.
    """
    active = list_accounts(database, only_active=True)
    if not active and all(account.removed_at for account in list_accounts(database)):
        raise ConfigurationError("there is no account in this database: add one with `hostaway-sync account add ID`")
    return active


def find_account(database: Database, account_id: int) -> Account | None:
    """Return an account; None: it is unknown."""
    query = sa.select(*_VISIBLE).where(accounts.c.account_id == account_id)
    row = database.transaction(lambda connection: connection.execute(query).one_or_none())
    return Account(**row._asdict()) if row else None


def find_resource_sets(database: Database) -> dict[int, Sequence[str]]:
    """Return which resources each account mirrors that chooses them itself, by name."""
    query = sa.select(accounts.c.account_id, accounts.c.resource_sets).where(accounts.c.resource_sets.is_not(None))
    rows = database.transaction(lambda connection: connection.execute(query).all(), is_one_statement=True)
    return {row.account_id: row.resource_sets for row in rows}


def get_active_account(database: Database, account_id: int) -> Account:
    """Return an active account.

    Raises:
        AccountError: the account is unknown, removed or disabled.
    """
    account = find_account(database, account_id)
    if account is None:
        raise AccountError.unknown(account_id)
    if account.removed_at is not None:
        raise AccountError.removed(account_id)
    if not account.is_active:
        raise AccountError.disabled(account_id)
    return account


def open_client_secret(database: Database, vault: SecretReader, account_id: int) -> SecretStr:
    """Return the client secret of an account.

    Raises:
        AccountError: the account was removed.
        SecretError: the secret cannot be opened.
        SecretsUnavailable: the external store that holds the secret does not answer.
    """
    query = sa.select(accounts.c.client_secret).where(accounts.c.account_id == account_id)

    def read() -> bytes | None:
        kept = database.transaction(lambda connection: connection.execute(query).scalar_one())
        return None if kept is None else bytes(kept)

    secret = open_stored_secret(vault, read, sealing.place_of(accounts.c.client_secret, account_id))
    if secret is None:
        raise AccountError.removed(account_id)
    return secret


class StoredToken:
    """The `TokenVault` of a stored account; a process opens a token once and keeps it until the row changes.

    Args:
        database: the database with the row of the account.
        vault: opens and seals the token.
        account_id: the account that the token is for.
    """

    def __init__(self, database: Database, vault: Vault | SecretWriter, account_id: int) -> None:
        self._database = database
        self._vault = vault
        self._account_id = account_id
        self._opened: tuple[bytes, AccessToken] | None = None

    def load(self) -> AccessToken | None:
        """Return the stored token; None: none is stored, or its external store lost it, so a new one must be issued."""
        row = self._row()
        while row is not None:
            kept, known = bytes(row.access_token), self._opened
            # No two sealed values are equal: the same bytes are the same token.
            if known is not None and known[0] == kept:
                return known[1]
            try:
                value = self._vault.open(kept, sealing.place_of(accounts.c.access_token, self._account_id))
            except SecretGone:
                row = self._row()
                if row is not None and row.access_token == kept:
                    return None
                continue  # another process replaced the token meanwhile
            token = AccessToken(value, row.token_issued_at, row.token_expires_at)
            self._opened = kept, token
            return token
        return None

    def save(self, token: AccessToken) -> None:
        """Store `token` in place of the stored one; an account that was removed meanwhile gets none."""
        itself = sa.update(accounts).where(accounts.c.account_id == self._account_id, accounts.c.removed_at.is_(None))

        def write(connection: sa.Connection, store: SecretWriter) -> None:
            connection.execute(itself.values(**token_columns(connection, store, self._account_id, token)))

        run_secret_transaction(self._database, self._vault, self._account_id, write)

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Claim the right to renew the token among all processes; False: another process has it."""
        return self._database.claim(f"token of account {self._account_id}")

    def _row(self) -> sa.Row[*tuple[Any, ...]] | None:
        query = sa.select(accounts.c.access_token, accounts.c.token_issued_at, accounts.c.token_expires_at).where(
            accounts.c.account_id == self._account_id,
            accounts.c.access_token.is_not(None),
            # The remaining lifetime of a token from the future is unknown. A token without a time was not written by
            # this program: it is read, so that the error about it is seen.
            sa.or_(accounts.c.token_issued_at.is_(None), time_marks.is_known(accounts.c.token_issued_at)),
        )
        return self._database.transaction(lambda connection: connection.execute(query).one_or_none())


class InMemoryToken:
    """The `TokenVault` of an account that is not stored yet: holds the token in memory."""

    def __init__(self) -> None:
        self.token: AccessToken | None = None

    def load(self) -> AccessToken | None:
        """Return the token that was saved before, or None."""
        return self.token

    def save(self, token: AccessToken) -> None:
        """Keep `token` in memory."""
        self.token = token

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Return a claim that always succeeds: no other process knows the account yet."""
        return nullcontext(enter_result=True)


def token_columns(
    connection: sa.Connection, store: SecretWriter, account_id: int, token: AccessToken
) -> dict[str, object]:
    """Return the values to store of a token, by column."""
    return {
        "access_token": sealing.seal_value(connection, store, token.value, accounts.c.access_token, account_id),
        # The issuer's clock may be ahead of the database's.
        "token_issued_at": sa.func.least(token.issued_at, sa.func.clock_timestamp()),
        "token_expires_at": token.expires_at,
    }


def account_exists(connection: sa.Connection, account_id: int) -> bool:
    """Return whether an account is stored, removed or not."""
    return bool(connection.scalar(sa.select(sa.exists().where(accounts.c.account_id == account_id))))
