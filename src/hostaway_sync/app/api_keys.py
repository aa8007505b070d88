"""Keys of the callers of the API: made, listed, rotated, revoked, and checked with every request."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.callers import keys, sessions
from hostaway_sync.model.callers.keys import ALPHABET, ID_LENGTH, PEPPER_BYTES, SECRET_LENGTH, ApiKey
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.audit_log import acting_for
from hostaway_sync.store.callers import api_keys

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.callers import Access, Caller, Scope

__all__ = ["ApiKeyRequest", "ApiKeys", "IssuedKey", "acting_for"]

_NOTE_PATIENCE: Final = 0.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKeyRequest:
    """A key that is to be made.

    Attributes:
        name: how commands call it.
        access: the accounts that its caller sees.
        scopes: what its caller may do.
        valid: how long it is valid; None: until it is revoked.
    """

    name: str
    access: Access
    scopes: frozenset[Scope]
    valid: timedelta | None = None


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key, and what its caller sends: it is not shown again."""

    key: ApiKey
    token: SecretStr


class ApiKeys:
    """The API keys of one mirror.

    Args:
        container: the database, and the vault that the pepper is in.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database
        # That a key was used may be lost with the server's power, and must not keep a request waiting.
        self._notes = container.database.async_commit_twin(patience=_NOTE_PATIENCE)
        self._pepper: bytes | None = None
        self._no_pepper = _draw_pepper()

    def create(self, request: ApiKeyRequest, now: datetime) -> IssuedKey:
        """Make a key, and return it with its secret.

        Raises:
            ApiKeyError: there is a key of this name.
            UsageError: one of the accounts is unknown.
            SecretError: there is no key ring to seal the pepper with.
        """
        expires_at = None if request.valid is None else now + request.valid
        key = ApiKey(_draw(ID_LENGTH), request.name, request.access, request.scopes, now, expires_at=expires_at)
        token = _draw_token(key.key_id)
        api_keys.create_key(self._database, self._container.vault(), key, token, _draw_pepper)
        return IssuedKey(key, token)

    def list_all(self) -> list[ApiKey]:
        """Return all keys by name, revoked ones too."""
        return self._database.transaction(api_keys.list_keys, is_one_statement=True)

    def has_accounts(self, access: Access) -> bool:
        """Whether there is any account now that a key with this access would see."""
        return any(
            access.customer_id in (None, account.customer_id)
            for account in account_queries.list_accounts(self._database)
            if access.account_ids is None or account.account_id in access.account_ids
        )

    def revoke(self, name: str, now: datetime) -> ApiKey:
        """Make a key invalid at once, and for good.

        Raises:
            ApiKeyError: there is no such key.
        """
        return self._database.transaction(partial(api_keys.revoke_key, name=name, now=now))

    def rotate(self, name: str, now: datetime) -> IssuedKey:
        """Replace the secret of a key; the one before is valid for a day, too.

        Raises:
            ApiKeyError: there is no such key, or it has expired.
            SecretError: the pepper cannot be opened.
        """
        vault = self._container.vault()
        rotated = api_keys.rotate_key(self._database, vault, name, _draw_token, _draw_pepper, now=now)
        return IssuedKey(*rotated)

    def authenticate(self, token: str, now: datetime) -> Caller | None:
        """Return the caller whom a key proves; None: whatever it is, it proves no caller.

        Raises:
            StoreError, StoreUnavailable: the database cannot be asked.
            SecretError, SecretsUnavailable: the pepper cannot be opened.
        """
        key_id = keys.read_key_id(token)
        if key_id is None:
            return None
        find = partial(api_keys.find_key, key_id=key_id)
        stored = self._database.transaction(find, is_one_statement=True)
        caller = keys.accept(stored, keys.hash_token(self._read_pepper(), token), now)
        if caller is not None and stored is not None and stored.key.is_use_due(now):
            self._note_use(key_id, now)
        return caller

    def list_revoked(self, identities: Collection[str]) -> set[str]:
        """Return those of some callers whose keys are valid no more; a caller without a key is never among them.

        Raises:
            StoreError, StoreUnavailable: the database cannot be asked.
        """
        by_key = {key_id: identity for identity in identities if (key_id := keys.key_id_of(identity)) is not None}
        if not by_key:
            return set()
        valid = self._database.transaction(partial(api_keys.list_valid, key_ids=by_key.keys()), is_one_statement=True)
        return {identity for key_id, identity in by_key.items() if key_id not in valid}

    def begin_session(self, token: str, now: datetime) -> str | None:
        """Return a session of the caller whom a key proves; None: it proves no caller.

        A session ends after twelve hours, and with its key: revoked, expired, or rotated and no longer valid.

        Raises:
            StoreError, StoreUnavailable, SecretError, SecretsUnavailable: as `authenticate`.
        """
        key_id = keys.read_key_id(token)
        if key_id is None or self.authenticate(token, now) is None:
            return None
        pepper = self._read_pepper()
        return sessions.begin_session(pepper, key_id, keys.hash_token(pepper, token), now)

    def resume_session(self, text: str, now: datetime) -> Caller | None:
        """Return the caller of a session; None: it is none, or has ended.

        Raises:
            StoreError, StoreUnavailable, SecretError, SecretsUnavailable: as `authenticate`.
        """
        session = sessions.read_session(text)
        if session is None:
            return None
        find = partial(api_keys.find_key, key_id=session.key_id)
        stored = self._database.transaction(find, is_one_statement=True)
        return sessions.accept_session(self._read_pepper(), session, stored, now)

    def seal_form(self, session: str) -> str:
        """Return what the forms of a session carry, and no other page can know."""
        return sessions.seal_form(self._read_pepper(), session)

    def _read_pepper(self) -> bytes:
        """Return the pepper; before the first key there is none, and none is needed to refuse all."""
        if self._pepper is None:
            self._pepper = api_keys.open_pepper(self._database, self._container.vault)
        return self._pepper or self._no_pepper

    def _note_use(self, key_id: str, now: datetime) -> None:
        try:
            self._notes.attempt(partial(api_keys.note_use, key_id=key_id, now=now))
        except HostawaySyncError as error:
            log.debug("that API key %s was used could not be noted: %s", key_id, error)


def _draw(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _draw_pepper() -> bytes:
    return os.urandom(PEPPER_BYTES)


def _draw_token(key_id: str) -> SecretStr:
    return SecretStr(keys.format_token(key_id, _draw(SECRET_LENGTH)))
