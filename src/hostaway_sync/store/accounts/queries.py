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
)


@dataclass(frozen=True, slots=True)
class Account:
    """What may be shown of an account.

    Attributes:
        account_id: the source's id.
        name: for the operator's own eyes.
        customer_id: copied into every row.
        is_active: whether it is worked on.
        last_sync_at: start of the last run that was a success.
        created_at: when it was added.
        updated_at: when its settings last changed.
        removed_at: since when it has no secrets; None: it was not removed.
        token_expires_at: None: there is no token.
        webhook_url: public address of the receiver; None: never registered.
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


def list_accounts(database: Database, *, only_active: bool = False) -> list[Account]:
    """Give all accounts, by id."""
    query = sa.select(*_VISIBLE).order_by(accounts.c.account_id)
    if only_active:
        query = query.where(accounts.c.is_active)
    return database.transaction(lambda connection: [Account(**row._asdict()) for row in connection.execute(query)])


def list_mirrored_accounts(database: Database) -> list[Account]:
    """Return the accounts that are mirrored: the active ones, by id.

    Raises:
        ConfigurationError: there is no account at all, not even a disabled one: a mirror without any is a mistake.
    """
    active = list_accounts(database, only_active=True)
    if not active and all(account.removed_at for account in list_accounts(database)):
        raise ConfigurationError("there is no account in this database: add one with `hostaway-sync account add ID`")
    return active


def find_account(database: Database, account_id: int) -> Account | None:
    """Give one account, or None."""
    query = sa.select(*_VISIBLE).where(accounts.c.account_id == account_id)
    row = database.transaction(lambda connection: connection.execute(query).one_or_none())
    return Account(**row._asdict()) if row else None


def get_active_account(database: Database, account_id: int) -> Account:
    """Give one account that may be worked on.

    Raises:
        AccountError: it is unknown, removed or disabled.
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
    """Open an account's client secret.

    Raises:
        AccountError: the account was removed.
        SecretError: it cannot be opened.
        SecretsUnavailable: it lies outside, where nobody answers.
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
    """The `TokenVault` of an account that is in the database: unsealed once a process, as long as it stays the same.

    Args:
        database: where it is.
        vault: where it lies.
        account_id: whose.
    """

    def __init__(self, database: Database, vault: Vault | SecretWriter, account_id: int) -> None:
        self._database = database
        self._vault = vault
        self._account_id = account_id
        self._opened: tuple[bytes, AccessToken] | None = None

    def load(self) -> AccessToken | None:
        """Give the stored token; None: there is none, or it was lost where it lay, and another can be had."""
        row = self._row()
        while row is not None:
            kept, known = bytes(row.access_token), self._opened
            # No two sealings are alike: the same bytes are the same token.
            if known is not None and known[0] == kept:
                return known[1]
            try:
                value = self._vault.open(kept, sealing.place_of(accounts.c.access_token, self._account_id))
            except SecretGone:
                row = self._row()
                if row is not None and row.access_token == kept:
                    return None
                continue  # it was replaced meanwhile
            token = AccessToken(value, row.token_issued_at, row.token_expires_at)
            self._opened = kept, token
            return token
        return None

    def save(self, token: AccessToken) -> None:
        """Keep `token` in place of what was there; an account that was removed meanwhile gets none."""
        itself = sa.update(accounts).where(accounts.c.account_id == self._account_id, accounts.c.removed_at.is_(None))

        def write(connection: sa.Connection, store: SecretWriter) -> None:
            connection.execute(itself.values(**token_columns(connection, store, self._account_id, token)))

        run_secret_transaction(self._database, self._vault, self._account_id, write)

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Claim the right to renew the token, for all processes there are; False: another one has it."""
        return self._database.claim(f"token of account {self._account_id}")

    def _row(self) -> sa.Row[*tuple[Any, ...]] | None:
        query = sa.select(accounts.c.access_token, accounts.c.token_issued_at, accounts.c.token_expires_at).where(
            accounts.c.account_id == self._account_id,
            accounts.c.access_token.is_not(None),
            # How much of its life is left of one from the future is not known. One without a time was put there by
            # another hand: it must not be passed over in silence.
            sa.or_(accounts.c.token_issued_at.is_(None), time_marks.is_known(accounts.c.token_issued_at)),
        )
        return self._database.transaction(lambda connection: connection.execute(query).one_or_none())


class InMemoryToken:
    """The `TokenVault` of an account that is not stored yet."""

    def __init__(self) -> None:
        self.token: AccessToken | None = None

    def load(self) -> AccessToken | None:
        """Give the token saved before, or None."""
        return self.token

    def save(self, token: AccessToken) -> None:
        """Keep `token` in memory."""
        self.token = token

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Nobody else knows the account yet."""
        return nullcontext(enter_result=True)


def token_columns(
    connection: sa.Connection, store: SecretWriter, account_id: int, token: AccessToken
) -> dict[str, object]:
    """Give what is stored of a token, by column."""
    return {
        "access_token": sealing.seal_value(connection, store, token.value, accounts.c.access_token, account_id),
        # The issuer's clock may be ahead of the database's.
        "token_issued_at": sa.func.least(token.issued_at, sa.func.clock_timestamp()),
        "token_expires_at": token.expires_at,
    }


def account_exists(connection: sa.Connection, account_id: int) -> bool:
    """Say whether there is such an account, removed or not."""
    return bool(connection.scalar(sa.select(sa.exists().where(accounts.c.account_id == account_id))))
