"""Changes of an account, each in one transaction with its line in the audit log.

nothing ──insert──► active ◄──set_active──► disabled ──remove──► removed ──purge──► nothing
                       ▲                                            │
                       └───────────────────insert───────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import AccountError, SecretError
from hostaway_sync.store import audit_log
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.accounts.queries import token_columns
from hostaway_sync.store.audit_log import Action
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.vault import run_secret_transaction
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import SecretStr

    from hostaway_sync.model.records import AccessToken
    from hostaway_sync.secrets import SecretReader, SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.vault import Vault

    FieldValue = str | UUID | Sequence[str] | None

SECRET: Final = "client_secret"  # noqa: S105  (a column)
# All secrets of an account, and the columns that are of no use without them.
_ERASED: Final = (
    SECRET,
    "access_token",
    "token_issued_at",
    "token_expires_at",
    "webhook_login",
    "webhook_password",
    "webhook_path_secret",
    "webhook_previous",
    "webhook_previous_until",
    "webhook_confirmed_at",
    "webhook_id",
    "webhook_url",
)
_AUDITED: Final = ("name", "customer_id")
_RESOURCES: Final = "resource_sets"
_OF_SETTING: Final = "setting"


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """The new values of an account; a value that is not given stays.

    Attributes:
        fields: new values of `name`, `customer_id` and `resource_sets`.
        client_secret: the new secret, which the source has accepted; None: the stored one stays.
        token: a token that was issued for the new secret.
    """

    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    client_secret: SecretStr | None = None
    token: AccessToken | None = None


def insert_account(
    database: Database,
    vault: Vault | SecretWriter,
    account_id: int,
    client_secret: SecretStr,
    token: AccessToken | None,
    *,
    name: str | None,
    customer_id: UUID | None,
) -> None:
    """Store an account with its secret and, when one was already issued, its token; a removed account comes back.

    Raises:
        AccountError: the account exists already.
    """
    fields: dict[str, Any] = {"name": name, "customer_id": customer_id}
    attempts: list[bytes] = []

    def write(connection: sa.Connection, store: SecretWriter) -> bool:
        account_owner.lock_rows_exclusively(connection, account_id)
        attempts.append(sealing.seal_value(connection, store, client_secret, accounts.c.client_secret, account_id))
        values = fields | {SECRET: attempts[-1]}
        values |= token_columns(connection, store, account_id, token) if token else {}
        if connection.scalar(_upsert(account_id, values)) is not None:
            account_owner.rewrite_customer(connection, account_id, customer_id)
            given = {name: value for name, value in fields.items() if value is not None}
            changes = {name: {"old": None, "new": _as_text(value)} for name, value in given.items()}
            audit_log.add_entry(connection, account_id, Action.ADDED, changes)
            return True
        # No two sealed values are equal: a stored value equal to ours is from our own commit, whose answer was lost.
        ours = sa.select(accounts.c.client_secret.in_(attempts)).where(accounts.c.account_id == account_id)
        return bool(connection.scalar(ours))

    if not run_secret_transaction(database, vault, account_id, write):
        raise AccountError.exists(account_id)


def change_account(
    database: Database, vault: Vault | SecretWriter, account_id: int, requested: AccountChanges
) -> tuple[str, ...]:
    """Store the values that differ from the stored ones, in one transaction.

    A new customer is written into every row of the account, which takes a while for many rows. Pages of running syncs
    wait for it, readers do not.

    Returns:
        The names of the fields that changed.

    Raises:
        AccountError: the account is unknown, or was removed.
    """

    def write(connection: sa.Connection, store: SecretWriter) -> tuple[str, ...]:
        if "customer_id" in requested.fields:
            account_owner.lock_rows_exclusively(connection, account_id)
        stored = _lock_account(connection, account_id)
        values: dict[str, Any] = {name: new for name, new in requested.fields.items() if new != getattr(stored, name)}
        changes: dict[str, Any] = {
            name: {"old": _as_entry(name, getattr(stored, name)), "new": _as_entry(name, new)}
            for name, new in values.items()
        }
        secret = requested.client_secret
        if secret is not None and not _is_stored(store, account_id, secret, stored.client_secret):
            values[SECRET] = sealing.seal_value(connection, store, secret, accounts.c.client_secret, account_id)
            # A token of the old secret is refused once that secret is deleted at the source.
            values |= dict.fromkeys(("access_token", "token_issued_at", "token_expires_at"))
            values |= token_columns(connection, store, account_id, requested.token) if requested.token else {}
            changes[SECRET] = audit_log.REPLACED
        if changes:
            values["updated_at"] = sa.func.now()
            connection.execute(sa.update(accounts).where(accounts.c.account_id == account_id).values(**values))
            audit_log.add_entry(connection, account_id, Action.UPDATED, changes)
        if "customer_id" in values:
            account_owner.rewrite_customer(connection, account_id, values["customer_id"])
        return tuple(changes)

    return run_secret_transaction(database, vault, account_id, write)


def set_active(database: Database, account_id: int, *, active: bool) -> bool:
    """Enable or disable an account; once a call that disables it returns, no record of it is stored any more.

    Returns:
        Whether the account was in the other state before.

    Raises:
        AccountError: the account is unknown, or was removed.
    """

    def write(connection: sa.Connection) -> bool:
        account_owner.lock_rows_exclusively(connection, account_id)
        if _lock_account(connection, account_id).is_active is active:
            return False
        statement = sa.update(accounts).where(accounts.c.account_id == account_id)
        connection.execute(statement.values(is_active=active, updated_at=sa.func.now()))
        audit_log.add_entry(connection, account_id, Action.ENABLED if active else Action.DISABLED)
        return True

    return database.transaction(write)


def remove_account(database: Database, vault: Vault | SecretWriter, account_id: int) -> None:
    """Erase all secrets of a disabled account and mark it as removed; its rows stay.

    Raises:
        AccountError: the account is unknown, or was removed before.
    """

    def write(connection: sa.Connection, store: SecretWriter) -> None:
        del store
        stored = _lock_account(connection, account_id)
        values: dict[str, Any] = dict.fromkeys(_ERASED)
        values |= {"is_active": False, "removed_at": sa.func.now(), "updated_at": sa.func.now()}
        connection.execute(sa.update(accounts).where(accounts.c.account_id == account_id).values(**values))
        audit_log.add_entry(
            connection, account_id, Action.REMOVED, {name: _as_text(getattr(stored, name)) for name in _AUDITED}
        )

    run_secret_transaction(database, vault, account_id, write)


def _lock_account(connection: sa.Connection, account_id: int) -> sa.Row[Any]:
    """Return the row of an account, locked until the transaction ends; foreign keys may still refer to it."""
    columns = (accounts.c[name] for name in (*_AUDITED, _RESOURCES, SECRET, "is_active", "removed_at"))
    query = sa.select(*columns).where(accounts.c.account_id == account_id).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccountError.unknown(account_id)
    if row.removed_at is not None:
        raise AccountError.removed(account_id)
    return row


def _is_stored(vault: SecretReader, account_id: int, secret: SecretStr, sealed: bytes) -> bool:
    try:
        return vault.open(bytes(sealed), sealing.place_of(accounts.c.client_secret, account_id)) == secret
    except SecretError:
        return False  # the key was lost: a person who gives the secret again has it sealed anew


def _upsert(account_id: int, values: Mapping[str, Any]) -> Any:  # noqa: ANN401  (SQLAlchemy's insert)
    statement = insert(accounts).values(account_id=account_id, **values)
    restored = {**values, "is_active": True, "removed_at": None, "updated_at": sa.func.now()}
    was_removed = accounts.c.removed_at.is_not(None)
    upsert = statement.on_conflict_do_update(index_elements=[accounts.c.account_id], set_=restored, where=was_removed)
    return upsert.returning(accounts.c.account_id)


def _as_entry(name: str, value: FieldValue) -> str | None:
    if name == _RESOURCES:
        return _OF_SETTING if value is None else ",".join(cast("Sequence[str]", value))
    return _as_text(cast("str | UUID | None", value))


def _as_text(value: str | UUID | None) -> str | None:
    return str(value) if isinstance(value, UUID) else value
