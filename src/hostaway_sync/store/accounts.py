"""Accounts, their sealed secrets, and the token that outlives a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import AccountError
from hostaway_sync.records import Token
from hostaway_sync.secrets import Place
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from pydantic import SecretStr

    from hostaway_sync.secrets import KeyRing
    from hostaway_sync.store.engine import Database

_VISIBLE = (
    accounts.c.account_id,
    accounts.c.name,
    accounts.c.customer_id,
    accounts.c.is_active,
    accounts.c.last_sync_at,
    accounts.c.created_at,
)


@dataclass(frozen=True, slots=True)
class Account:
    """What may be shown of an account."""

    account_id: int
    name: str | None
    customer_id: UUID | None
    is_active: bool
    last_sync_at: datetime | None
    created_at: datetime


def list_accounts(database: Database, *, only_active: bool = False) -> list[Account]:
    """Give all accounts, by id."""
    query = sa.select(*_VISIBLE).order_by(accounts.c.account_id)
    if only_active:
        query = query.where(accounts.c.is_active)
    return database.transaction(lambda connection: [Account(*row) for row in connection.execute(query)])


def find_account(database: Database, account_id: int) -> Account | None:
    """Give one account, or None."""
    query = sa.select(*_VISIBLE).where(accounts.c.account_id == account_id)
    row = database.transaction(lambda connection: connection.execute(query).one_or_none())
    return Account(*row) if row else None


def get_account(database: Database, account_id: int) -> Account:
    """Give one account that may be worked on.

    Raises:
        AccountError: it is unknown or disabled.
    """
    account = find_account(database, account_id)
    if account is None:
        raise account_unknown(account_id)
    if not account.is_active:
        raise AccountError(f"account {account_id} is disabled")
    return account


def insert_account(
    database: Database,
    ring: KeyRing,
    account_id: int,
    client_secret: SecretStr,
    token: Token | None,
    *,
    name: str | None,
    customer_id: UUID | None,
) -> None:
    """Store an account with its secret and, when one was already issued, its token.

    Raises:
        AccountError: it exists already.
    """
    sealed = ring.seal(client_secret, _place("client_secret", account_id))
    statement = (
        insert(accounts)
        .values(
            account_id=account_id,
            name=name,
            customer_id=customer_id,
            client_secret=sealed,
            **(_token_columns(ring, account_id, token) if token else {}),
        )
        .on_conflict_do_nothing()
        .returning(accounts.c.account_id)
    )

    def write(connection: sa.Connection) -> bool:
        # No two sealings are alike: one like ours is ours, from a commit whose answer was lost.
        ours = sa.select(accounts.c.client_secret == sealed).where(accounts.c.account_id == account_id)
        return connection.scalar(statement) is not None or bool(connection.scalar(ours))

    if not database.transaction(write):
        raise account_exists(account_id)


def account_exists(account_id: int) -> AccountError:
    """Give the error for an account that is to be added a second time."""
    return AccountError(f"account {account_id} exists already: `hostaway-sync sync {account_id}` brings it up to date")


def account_unknown(account_id: int) -> AccountError:
    """Give the error for an account that is to be used and was never added."""
    return AccountError(f"account {account_id} is not known here: add it with `hostaway-sync account add {account_id}`")


def has_sealed_values(database: Database) -> bool:
    """Say whether anything in the database is sealed, so that a lost key is never replaced by a new one."""
    query = sa.select(sa.exists(sa.select(accounts.c.account_id)))
    return bool(database.transaction(lambda connection: connection.scalar(query)))


def open_client_secret(database: Database, ring: KeyRing, account_id: int) -> SecretStr:
    """Unseal an account's client secret.

    Raises:
        SecretError: the key ring cannot open it.
    """
    query = sa.select(accounts.c.client_secret).where(accounts.c.account_id == account_id)
    sealed = database.transaction(lambda connection: connection.execute(query).scalar_one())
    return ring.open(bytes(sealed), _place("client_secret", account_id))


class StoredToken:
    """The `TokenVault` of an account that is in the database."""

    def __init__(self, database: Database, ring: KeyRing, account_id: int) -> None:
        self._database = database
        self._ring = ring
        self._account_id = account_id

    def load(self) -> Token | None:
        """Give the stored token, or None."""
        query = sa.select(accounts.c.access_token, accounts.c.token_issued_at, accounts.c.token_expires_at).where(
            accounts.c.account_id == self._account_id, accounts.c.access_token.is_not(None)
        )
        row = self._database.transaction(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        value = self._ring.open(bytes(row.access_token), _place("access_token", self._account_id))
        return Token(value, row.token_issued_at, row.token_expires_at)

    def save(self, token: Token) -> None:
        """Keep `token` in place of what was there."""
        statement = (
            sa.update(accounts)
            .where(accounts.c.account_id == self._account_id)
            .values(**_token_columns(self._ring, self._account_id, token))
        )
        self._database.transaction(lambda connection: connection.execute(statement))


class TokenInHand:
    """The `TokenVault` of an account that is not stored yet."""

    def __init__(self) -> None:
        self.token: Token | None = None

    def load(self) -> Token | None:
        """Give the token saved before, or None."""
        return self.token

    def save(self, token: Token) -> None:
        """Keep `token` in memory."""
        self.token = token


def _token_columns(ring: KeyRing, account_id: int, token: Token) -> dict[str, object]:
    return {
        "access_token": ring.seal(token.value, _place("access_token", account_id)),
        "token_issued_at": token.issued_at,
        "token_expires_at": token.expires_at,
    }


def _place(column: str, account_id: int) -> Place:
    return Place(accounts.name, column, account_id)
