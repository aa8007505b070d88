"""API keys: made, listed, rotated, revoked, found; and the pepper of their hashes."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import ApiKeyError, UsageError
from hostaway_sync.model.callers.caller import Access, Scope
from hostaway_sync.model.callers.keys import BOTH_VALID, NOTED_EVERY, ApiKey, StoredKey, hash_token
from hostaway_sync.store import audit_log
from hostaway_sync.store.audit_log import Action
from hostaway_sync.store.schema import api_role
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.vault import open_stored_secret, run_secret_transaction
from hostaway_sync.store.tables import accounts, api_key_pepper, api_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from hostaway_sync.model.callers.api_role import ApiRoleState
    from hostaway_sync.secrets import SecretReader, SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.vault import Vault

_ONLY_ID: Final = 1
_NOTE_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout TO '100ms'"
_SCOPES: Final = {scope.value: scope for scope in Scope}


def create_key(
    database: Database, vault: Vault | SecretWriter, key: ApiKey, token: SecretStr, make_pepper: Callable[[], bytes]
) -> None:
    """Store a new key; the first one makes the pepper.

    Raises:
        ApiKeyError: there is a key of this name.
        UsageError: one of its accounts is unknown.
        SecretError: the pepper cannot be sealed or opened.
    """

    def write(connection: sa.Connection, store: SecretWriter) -> None:
        _require_accounts(connection, key.access)
        pepper = _keep_pepper(connection, store, make_pepper)
        values = {
            "key_id": key.key_id,
            "name": key.name,
            "secret_hash": hash_token(pepper, token.get_secret_value()),
            "account_ids": None if key.access.account_ids is None else sorted(key.access.account_ids),
            "customer_id": key.access.customer_id,
            "scopes": [scope.value for scope in Scope if scope in key.scopes],
            "created_at": key.created_at,
            "expires_at": key.expires_at,
        }
        new = insert(api_keys).values(values).on_conflict_do_nothing().returning(api_keys.c.key_id)
        if connection.execute(new).one_or_none() is None:
            raise ApiKeyError(f"there is an API key {key.name!r} already: revoke it first, or choose another name")
        _audit(connection, Action.API_KEY_CREATED, key)

    run_secret_transaction(database, vault, _ONLY_ID, write, table=api_key_pepper)


def rotate_key(
    database: Database,
    vault: Vault | SecretWriter,
    name: str,
    make_token: Callable[[str], SecretStr],
    make_pepper: Callable[[], bytes],
    *,
    now: datetime,
) -> tuple[ApiKey, SecretStr]:
    """Replace the secret of a key; the one before stays valid for a while, and not longer than the key itself.

    Args:
        database: the database.
        vault: what the pepper is sealed and opened with.
        name: of the key.
        make_token: called with the id of the key; returns the key with a new secret.
        make_pepper: called where there is no pepper.
        now: the time of the rotation.

    Raises:
        ApiKeyError: there is no such key, or it has expired.
        SecretError: the pepper cannot be opened.
    """

    def write(connection: sa.Connection, store: SecretWriter) -> tuple[ApiKey, SecretStr]:
        key = _lock_key(connection, name)
        if not key.is_valid(now):
            raise ApiKeyError(f"API key {name!r} has expired: revoke it, and make another of this name")
        token = make_token(key.key_id)
        until = now + BOTH_VALID
        values = {
            "previous_hash": api_keys.c.secret_hash,
            "previous_until": until if key.expires_at is None else min(until, key.expires_at),
            "secret_hash": hash_token(_keep_pepper(connection, store, make_pepper), token.get_secret_value()),
        }
        return _change(connection, key, values, Action.API_KEY_ROTATED), token

    return run_secret_transaction(database, vault, _ONLY_ID, write, table=api_key_pepper)


def revoke_key(connection: sa.Connection, name: str, *, now: datetime) -> ApiKey:
    """Make a key invalid from now on, and for good.

    Raises:
        ApiKeyError: there is no such key, or it was revoked before.
    """
    return _change(connection, _lock_key(connection, name), {"revoked_at": now}, Action.API_KEY_REVOKED)


def list_keys(connection: sa.Connection) -> list[ApiKey]:
    """Return all keys by name, revoked ones too."""
    query = sa.select(api_keys).order_by(
        api_keys.c.name, api_keys.c.created_at, api_keys.c.revoked_at.nulls_last(), api_keys.c.key_id
    )
    return [_read(row) for row in connection.execute(query)]


def inspect_callers(connection: sa.Connection) -> ApiRoleState:
    """Return whether row-level security keeps callers apart, and how many keys are valid by the database's clock."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    is_unexpired = api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > sa.func.now())
    is_valid = api_keys.c.revoked_at.is_(None) & is_unexpired
    valid = connection.scalar(sa.select(sa.func.count()).select_from(api_keys).where(is_valid)) or 0
    return replace(api_role.inspect_role(connection, schema), keys=valid)


def find_key(connection: sa.Connection, key_id: str) -> StoredKey | None:
    """Return the key of an id, whether it is valid or not; None: there is none, which takes as long to find out."""
    row = connection.execute(_find_statement(), {"key_id": key_id}).one()
    found = StoredKey(_read(row), row.secret_hash, row.previous_hash)
    return None if row.is_decoy else found


def list_valid(connection: sa.Connection, key_ids: Collection[str]) -> set[str]:
    """Return those of some keys that are valid, by the database's clock."""
    is_unexpired = api_keys.c.expires_at.is_(None) | (api_keys.c.expires_at > sa.func.now())
    mine = api_keys.c.key_id == sa.func.any(sa.cast(sorted(key_ids), sa.ARRAY(sa.Text)))
    query = sa.select(api_keys.c.key_id).where(mine, api_keys.c.revoked_at.is_(None), is_unexpired)
    return set(connection.scalars(query))


def note_use(connection: sa.Connection, key_id: str, *, now: datetime) -> None:
    """Note when a key was used; do nothing where that was noted lately, or where another session changes the key."""
    connection.exec_driver_sql(_NOTE_LOCK_TIMEOUT)
    is_due = api_keys.c.last_used_at.is_(None) | (api_keys.c.last_used_at <= now - NOTED_EVERY)
    due = sa.select(api_keys.c.key_id).where(api_keys.c.key_id == key_id, is_due).with_for_update(skip_locked=True)
    connection.execute(sa.update(api_keys).where(api_keys.c.key_id.in_(due.scalar_subquery())).values(last_used_at=now))


def open_pepper(database: Database, open_vault: Callable[[], SecretReader]) -> bytes | None:
    """Return what secrets are hashed with; None: no key was made yet, and `open_vault` is not called.

    Raises:
        SecretError, SecretsUnavailable: it cannot be opened.
    """

    def read() -> bytes | None:
        return database.transaction(
            lambda connection: connection.scalar(sa.select(api_key_pepper.c.secret)), is_one_statement=True
        )

    if read() is None:
        return None
    found = open_stored_secret(open_vault(), read, sealing.place_of(api_key_pepper.c.secret, _ONLY_ID))
    return None if found is None else bytes.fromhex(found.get_secret_value())


@lru_cache
def _find_statement() -> sa.Select[Any]:
    """Return the statement that finds a key, or a row that is read like one; built once."""
    values = {"key_id": "", "name": "", "secret_hash": bytes(32), "scopes": [Scope.READ.value]}
    decoy = {
        column.name: sa.func.now()
        if column is api_keys.c.created_at
        else sa.literal(values.get(column.name), column.type)
        for column in api_keys.c
    }
    wanted = sa.select(*api_keys.c, sa.false().label("is_decoy")).where(api_keys.c.key_id == sa.bindparam("key_id"))
    nothing = sa.select(*(value.label(name) for name, value in decoy.items()), sa.true().label("is_decoy"))
    both = sa.union_all(wanted, nothing).subquery()
    return sa.select(both).order_by(both.c.is_decoy).limit(1)


def _keep_pepper(connection: sa.Connection, store: SecretWriter, make: Callable[[], bytes]) -> bytes:
    """Return the pepper, made if there is none; of two processes that make one, the second takes the first's."""
    query = sa.select(api_key_pepper.c.secret)
    kept = connection.scalar(query)
    if kept is None:
        sealed = sealing.seal_value(connection, store, SecretStr(make().hex()), api_key_pepper.c.secret, _ONLY_ID)
        connection.execute(insert(api_key_pepper).values(pepper_id=_ONLY_ID, secret=sealed).on_conflict_do_nothing())
        kept = connection.execute(query).scalar_one()
    return bytes.fromhex(
        store.open(bytes(kept), sealing.place_of(api_key_pepper.c.secret, _ONLY_ID)).get_secret_value()
    )


def _require_accounts(connection: sa.Connection, access: Access) -> None:
    for account_id in sorted(access.account_ids or ()):
        if not connection.scalar(sa.select(sa.exists().where(accounts.c.account_id == account_id))):
            raise UsageError(f"account {account_id} is unknown: `hostaway-sync account list` shows all")


def _lock_key(connection: sa.Connection, name: str) -> ApiKey:
    query = sa.select(api_keys).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None)).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise ApiKeyError(f"there is no API key {name!r}: `hostaway-sync api-key list` shows all")
    return _read(row)


def _change(connection: sa.Connection, key: ApiKey, values: dict[str, Any], action: Action) -> ApiKey:
    statement = sa.update(api_keys).where(api_keys.c.key_id == key.key_id).values(values).returning(api_keys)
    changed = _read(connection.execute(statement).one())
    _audit(connection, action, changed)
    return changed


def _audit(connection: sa.Connection, action: Action, key: ApiKey) -> None:
    """Write to the audit log of every account that the key names, or of none."""
    changes = {
        "api_key": key.name,
        "key_id": key.key_id,
        "customer_id": None if key.access.customer_id is None else str(key.access.customer_id),
        "scopes": [scope.value for scope in Scope if scope in key.scopes],
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
    }
    for account_id in [None] if key.access.account_ids is None else sorted(key.access.account_ids):
        audit_log.add_entry(connection, account_id, action, changes)


def _read(row: Any) -> ApiKey:  # noqa: ANN401  (a row)
    return ApiKey(
        row.key_id,
        row.name,
        Access(None if row.account_ids is None else frozenset(row.account_ids), row.customer_id),
        # A later release may know more.
        frozenset(_SCOPES[name] for name in row.scopes if name in _SCOPES),
        row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        previous_until=row.previous_until,
    )
