"""Webhook credentials of accounts: what deliveries authenticate with, and while they are exchanged, the old ones, too.

    nothing ──renew──► unconfirmed ──confirm──► confirmed ──renew──► unconfirmed, and the old ones still valid
                           │ ▲                      │
                           └─┘ renew returns         └─retire──► nothing, and the old ones valid for a while
                               the same ones

The old credentials stay valid until the source confirmed the new ones: until then it may use either.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from pydantic import SecretStr

from hostaway_sync.store import audit_log
from hostaway_sync.store.audit_log import Action
from hostaway_sync.store.secrets.sealing import place_of, seal_value
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from datetime import timedelta

    from hostaway_sync.secrets import SecretReader, SecretWriter

_SECRET_BYTES: Final = 32
_LOGIN_BYTES: Final = 6
_KEPT: Final = (
    accounts.c.account_id,
    accounts.c.is_active,
    accounts.c.webhook_login,
    accounts.c.webhook_password,
    accounts.c.webhook_path_secret,
    accounts.c.webhook_id,
    accounts.c.webhook_url,
    accounts.c.webhook_confirmed_at,
    accounts.c.webhook_previous,
    accounts.c.webhook_previous_until,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials of a delivery: the last piece of the path, and Basic auth."""

    path_secret: SecretStr
    login: str
    password: SecretStr


@dataclass(frozen=True, slots=True)
class StoredHook:
    """The stored webhook registration of an account, with its secrets sealed.

    Attributes:
        account_id: the account.
        is_active: whether its deliveries are worked.
        hook_id: the source's id of the registration; None: not known.
        url: public address of the receiver, without the path secret; None: never registered.
        is_confirmed: the source accepted these credentials.
        login: the login; None: there are no credentials.
        sealed: path secret and password.
        previous: the credentials before these; None: there are none, or they are not valid any more.
    """

    account_id: int
    is_active: bool
    hook_id: int | None
    url: str | None
    is_confirmed: bool
    login: str | None
    sealed: tuple[bytes, bytes] | None
    previous: bytes | None

    def open(self, vault: SecretReader) -> tuple[Credentials, ...]:
        """Return every valid credential, unsealed; the current one first, if there is one.

        Raises:
            SecretError: they cannot be opened.
            SecretsUnavailable: they lie in an external store that does not answer.
        """
        found = []
        if self.login is not None and self.sealed is not None:
            path_secret = vault.open(self.sealed[0], place_of(accounts.c.webhook_path_secret, self.account_id))
            password = vault.open(self.sealed[1], place_of(accounts.c.webhook_password, self.account_id))
            found.append(Credentials(path_secret, self.login, password))
        if self.previous is not None:
            written = vault.open(self.previous, place_of(accounts.c.webhook_previous, self.account_id))
            path, login, password = json.loads(written.get_secret_value())
            found.append(Credentials(SecretStr(path), login, SecretStr(password)))
        return tuple(found)


def generate_credentials() -> Credentials:
    """Return new random credentials, of characters that neither a URL nor a header escapes."""
    return Credentials(
        path_secret=SecretStr(secrets.token_urlsafe(_SECRET_BYTES)),
        login=f"hook-{secrets.token_hex(_LOGIN_BYTES)}",
        password=SecretStr(secrets.token_urlsafe(_SECRET_BYTES)),
    )


def find_stored_hooks(connection: sa.Connection, account_id: int | None = None) -> dict[int, StoredHook]:
    """Return the stored registrations by account: of one account, or of all."""
    still_good = accounts.c.webhook_previous_until.is_(None) | (accounts.c.webhook_previous_until > sa.func.now())
    query = sa.select(*_KEPT, still_good.label("still_good"))
    if account_id is not None:
        query = query.where(accounts.c.account_id == account_id)
    return {row.account_id: _stored(row) for row in connection.execute(query)}


def renew_credentials(connection: sa.Connection, vault: SecretWriter, account_id: int, url: str) -> Credentials:
    """Store and return the credentials to register with, in the transaction of `connection`.

    Credentials that the source never confirmed are returned again: the last attempt may have reached it.
    """
    connection.execute(_locked(account_id))
    stored = find_stored_hooks(connection, account_id)[account_id]
    values: dict[str, object] = {"webhook_url": url}
    if stored.login is not None and not stored.is_confirmed:
        wanted = stored.open(vault)[0]
    else:
        wanted = generate_credentials()
        values |= _sealed(connection, vault, account_id, wanted) | {"webhook_confirmed_at": None}
        if stored.login is not None:
            values |= {
                "webhook_previous": _as_previous(connection, vault, account_id, stored.open(vault)[0]),
                "webhook_previous_until": None,
            }
    connection.execute(sa.update(accounts).where(accounts.c.account_id == account_id).values(**values))
    return wanted


def confirm_credentials(connection: sa.Connection, account_id: int, hook_id: int, *, old_ones_for: timedelta) -> None:
    """Record that the source accepted the current credentials; those before them stay valid for `old_ones_for`."""
    is_new = accounts.c.account_id == account_id, accounts.c.webhook_confirmed_at.is_(None)
    if connection.scalar(sa.select(sa.exists().where(*is_new))):
        audit_log.add_entry(connection, account_id, Action.UPDATED, {"webhook": "registered"})
    statement = (
        sa.update(accounts)
        .where(accounts.c.account_id == account_id)
        .values(
            webhook_id=hook_id,
            webhook_confirmed_at=sa.func.coalesce(accounts.c.webhook_confirmed_at, sa.func.now()),
            webhook_previous_until=sa.func.coalesce(accounts.c.webhook_previous_until, sa.func.now() + old_ones_for),
        )
    )
    connection.execute(statement)


def retire_credentials(connection: sa.Connection, vault: SecretWriter, account_id: int, *, good_for: timedelta) -> None:
    """Record that the registration ended; its credentials stay valid for `good_for`, for deliveries on their way."""
    connection.execute(_locked(account_id))
    stored = find_stored_hooks(connection, account_id)[account_id]
    values: dict[str, object] = dict.fromkeys(
        ("webhook_id", "webhook_login", "webhook_password", "webhook_path_secret", "webhook_confirmed_at")
    )
    if stored.login is not None:
        audit_log.add_entry(connection, account_id, Action.UPDATED, {"webhook": "unregistered"})
        values["webhook_previous"] = _as_previous(connection, vault, account_id, stored.open(vault)[0])
        values["webhook_previous_until"] = sa.func.now() + good_for
    connection.execute(sa.update(accounts).where(accounts.c.account_id == account_id).values(**values))


def _locked(account_id: int) -> sa.Select[tuple[int]]:
    return sa.select(accounts.c.account_id).where(accounts.c.account_id == account_id).with_for_update(key_share=True)


def _stored(row: sa.Row[*tuple[Any, ...]]) -> StoredHook:
    sealed = row.webhook_path_secret, row.webhook_password
    return StoredHook(
        account_id=row.account_id,
        is_active=row.is_active,
        hook_id=row.webhook_id,
        url=row.webhook_url,
        is_confirmed=row.webhook_confirmed_at is not None,
        login=row.webhook_login,
        sealed=None if None in sealed else (bytes(sealed[0]), bytes(sealed[1])),
        previous=bytes(row.webhook_previous) if row.webhook_previous is not None and row.still_good else None,
    )


def _sealed(
    connection: sa.Connection, vault: SecretWriter, account_id: int, credentials: Credentials
) -> dict[str, object]:
    password, path_secret = accounts.c.webhook_password, accounts.c.webhook_path_secret
    return {
        "webhook_login": credentials.login,
        "webhook_password": seal_value(connection, vault, credentials.password, password, account_id),
        "webhook_path_secret": seal_value(connection, vault, credentials.path_secret, path_secret, account_id),
    }


def _as_previous(connection: sa.Connection, vault: SecretWriter, account_id: int, credentials: Credentials) -> bytes:
    written = json.dumps(
        [credentials.path_secret.get_secret_value(), credentials.login, credentials.password.get_secret_value()]
    )
    return seal_value(connection, vault, SecretStr(written), accounts.c.webhook_previous, account_id)
