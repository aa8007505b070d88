"""API keys: how one is written, hashed, and accepted.

    hsk_<12 characters: which key>_<44 characters: the secret>

The secret has 44 of 62 letters and digits, 261 bits. Nothing that is stored tells it: a hash needs the pepper, which is
sealed, and is of the whole key, so that it proves nothing in the row of another key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import string
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.callers.caller import Caller

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.callers.caller import Access, Scope

ALPHABET: Final = string.ascii_letters + string.digits
ID_LENGTH: Final = 12
SECRET_LENGTH: Final = 44
PEPPER_BYTES: Final = 32
BOTH_VALID: Final = timedelta(days=1)
"""How long the secret before a rotation is valid, too."""
NOTED_EVERY: Final = timedelta(minutes=1)
"""The least time between two notes of when a key was used last."""
_TOKEN: Final = re.compile(rf"hsk_([A-Za-z0-9]{{{ID_LENGTH}}})_[A-Za-z0-9]{{{SECRET_LENGTH}}}")
_KEY: Final = "key:"
_NO_HASH: Final = bytes(hashlib.sha256().digest_size)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret.

    Attributes:
        key_id: the part of the key that is no secret.
        name: how commands call it.
        access: the accounts that its caller sees.
        scopes: what its caller may do.
        created_at: when it was made.
        expires_at: it is not valid from then on; None: it is valid until it is revoked.
        revoked_at: it is not valid since then; None: it was not revoked.
        last_used_at: noted once a minute at most; None: it was never used.
        previous_until: until then the secret before a rotation is valid, too; None: it was not rotated.
    """

    key_id: str
    name: str
    access: Access
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    previous_until: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether its secret proves anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def state(self, now: datetime) -> str:
        """Return `valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "valid" if self.is_valid(now) else "expired"

    def is_use_due(self, now: datetime) -> bool:
        """Whether it is time to note again that it was used."""
        return self.last_used_at is None or now - self.last_used_at >= NOTED_EVERY

    @property
    def identity(self) -> str:
        """What no other caller has: another key may get the name of a revoked one."""
        return f"{_KEY}{self.key_id}"

    def caller(self, until: datetime | None = None) -> Caller:
        """Return the caller that it proves until then."""
        return Caller(self.name, self.scopes, self.access, self.identity, until)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with the hashes of its secrets; `previous_hash` is None where there was no rotation."""

    key: ApiKey
    secret_hash: bytes = field(repr=False)
    previous_hash: bytes | None = field(default=None, repr=False)


def format_token(key_id: str, secret: str) -> str:
    """Return a key as its caller sends it."""
    return f"hsk_{key_id}_{secret}"


def read_key_id(token: str) -> str | None:
    """Return which key a text claims to be; None: it is no key, whatever is in it."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else None


def hash_token(pepper: bytes, token: str) -> bytes:
    """Return what is stored of a key."""
    return hmac.digest(pepper, token.encode(), "sha256")


def accept(stored: StoredKey | None, digest: bytes, now: datetime) -> Caller | None:
    """Return the caller whom a key proves; None: it proves no caller.

    It takes the same time whether the key is unknown, revoked, expired or wrong.

    Args:
        stored: the key that the text claims to be; None: there is none.
        digest: hash of the text.
        now: the time of the request.
    """
    current = stored.secret_hash if stored else _NO_HASH
    previous = (stored.previous_hash if stored else None) or _NO_HASH
    is_current, is_previous = hmac.compare_digest(digest, current), hmac.compare_digest(digest, previous)
    if stored is None or not stored.key.is_valid(now):
        return None
    if is_current:
        return stored.key.caller(stored.key.expires_at)
    until = stored.key.previous_until if stored.previous_hash is not None else None
    return stored.key.caller(until) if is_previous and until is not None and now < until else None


def key_id_of(identity: str) -> str | None:
    """Return the key of a caller's identity; None: the caller has none."""
    return identity.removeprefix(_KEY) if identity.startswith(_KEY) else None
