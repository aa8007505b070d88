"""Who may deliver: path secret and Basic auth of each account, old and new ones while credentials are exchanged.

Credentials are read for all accounts at once and trusted for a few seconds. A refusal needs credentials that were read
after the request came: an account may have been added, or its credentials exchanged, a moment ago. All requests that
wait for such a reading share one, and readings keep a distance, so that guesses cost the database next to nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import math
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import SecretError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from hostaway_sync.store.webhooks.credentials import Credentials

TRUSTED_FOR_S: Final = 5.0
READ_DISTANCE_S: Final = 0.25
_NO_PAIR: Final = (bytes(32), bytes(32))


class AuthLevel(Enum):
    """What a request proved."""

    NOTHING = auto()
    PATH = auto()
    EVERYTHING = auto()


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """The credentials of one account, hashed, so that every comparison takes the same time.

    Attributes:
        pairs: the hashes of path secret and of `login:password`, for each valid credential.
        is_active: whether deliveries to the account are processed.
    """

    pairs: tuple[tuple[bytes, bytes], ...]
    is_active: bool


_NO_CREDENTIALS: Final = AccountCredentials((), is_active=False)


def hash_credentials(credentials: Sequence[Credentials], *, is_active: bool) -> AccountCredentials:
    """Return the credentials of an account as hashes."""
    return AccountCredentials(
        tuple(
            (
                _digest(credential.path_secret.get_secret_value().encode()),
                _digest(f"{credential.login}:{credential.password.get_secret_value()}".encode()),
            )
            for credential in credentials
        ),
        is_active,
    )


class Authenticator:
    """Checks the credentials of requests; for use in one event loop.

    Args:
        read: returns the credentials of all accounts; None where those of an account cannot be opened. May raise.
        seconds: a monotonic clock.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[Mapping[int, AccountCredentials | None]]],
        *,
        seconds: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._sleep = sleep
        self._credentials: Mapping[int, AccountCredentials | None] = {}
        self._read_at = -math.inf
        self._failed: tuple[float, Exception] = (-math.inf, RuntimeError())
        self._reading = asyncio.Lock()

    async def authenticate(self, account_id: int | None, path_secret: str, authorization: str | None) -> AuthLevel:
        """Return what a request to this account proved: with `authorization` everything or nothing, else its path.

        Raises:
            HostawaySyncError: the credentials cannot be read now.
        """
        came_at = self._seconds()
        offered = _digest(path_secret.encode(errors="replace")), _digest(_decode_basic(authorization or ""))
        for not_before in (came_at - TRUSTED_FOR_S, came_at):
            await self._read_since(not_before, came_at)
            level = self._compare(account_id, offered, with_login=authorization is not None)
            if level is not AuthLevel.NOTHING:
                return level
        return AuthLevel.NOTHING

    def is_active(self, account_id: int) -> bool:
        """Whether deliveries to an authenticated account are processed."""
        found = self._credentials.get(account_id)
        return found is not None and found.is_active

    async def _read_since(self, not_before: float, came_at: float) -> None:
        if self._read_at >= not_before:
            return
        async with self._reading:
            if self._read_at >= not_before:
                return
            # Requests that waited behind a reading that failed share its error, instead of failing one after the other.
            failed_at, failure = self._failed
            if failed_at >= came_at:
                raise failure
            if (wait := max(self._read_at, failed_at) + READ_DISTANCE_S - self._seconds()) > 0:
                await self._sleep(wait)
            began_at = self._seconds()
            try:
                self._credentials = await self._read()
            except Exception as error:
                self._failed = began_at, error
                raise
            self._read_at = began_at

    def _compare(self, account_id: int | None, offered: tuple[bytes, bytes], *, with_login: bool) -> AuthLevel:
        found = self._credentials.get(account_id, _NO_CREDENTIALS) if account_id is not None else _NO_CREDENTIALS
        if found is None:
            raise SecretError(f"the webhook's credentials of account {account_id} cannot be opened: run `keys check`")
        path_fits = pair_fits = False
        # Compare all pairs, even after one fits: else the time of the answer would tell which one.
        for path, login in found.pairs or (_NO_PAIR,):
            is_path, is_login = hmac.compare_digest(path, offered[0]), hmac.compare_digest(login, offered[1])
            path_fits |= is_path
            pair_fits |= is_path & is_login
        if with_login:
            return AuthLevel.EVERYTHING if pair_fits else AuthLevel.NOTHING
        return AuthLevel.PATH if path_fits else AuthLevel.NOTHING


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _decode_basic(authorization: str) -> bytes:
    """Return `login:password` of a Basic auth header; empty bytes, which never fit, for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
