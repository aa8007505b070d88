"""Who may deliver: path secret and Basic auth of each account, old and new while they are exchanged.

Credentials are read for all accounts at once and believed for a few seconds. A refusal is believed only when they were
read after the request came: an account may have been added, or its credentials exchanged, a moment ago. Everybody who
waits for such a reading shares one, and readings keep a distance, so that guessing costs the database next to nothing.
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

BELIEVED_FOR: Final = 5.0
DISTANCE: Final = 0.25
_NOBODY: Final = (bytes(32), bytes(32))


class AuthLevel(Enum):
    """What a request proved."""

    NOTHING = auto()
    PATH = auto()
    EVERYTHING = auto()


@dataclass(frozen=True, slots=True)
class AccountCredentials:
    """What opens the door of one account, hashed, so that every comparison takes the same time.

    Attributes:
        pairs: path secret, and login and password, of each credential that is good.
        is_active: whether its deliveries are worked.
    """

    pairs: tuple[tuple[bytes, bytes], ...]
    is_active: bool


_NO_KEYS: Final = AccountCredentials((), is_active=False)


def hash_credentials(credentials: Sequence[Credentials], *, is_active: bool) -> AccountCredentials:
    """Give the keys that these credentials are."""
    return AccountCredentials(
        tuple(
            (
                _digest(one.path_secret.get_secret_value().encode()),
                _digest(f"{one.login}:{one.password.get_secret_value()}".encode()),
            )
            for one in credentials
        ),
        is_active,
    )


class Authenticator:
    """Lets requests in; for use in one event loop.

    Args:
        read: gives the keys of all accounts; None where those of an account cannot be opened. May raise.
        seconds: a clock that never jumps.
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
        self._keys: Mapping[int, AccountCredentials | None] = {}
        self._read_at = -math.inf
        self._failed: tuple[float, Exception] = (-math.inf, RuntimeError())
        self._reading = asyncio.Lock()

    async def authenticate(self, account_id: int | None, path_secret: str, authorization: str | None) -> AuthLevel:
        """Say what a request to this account proved: with `authorization` everything or nothing, else the path.

        Raises:
            HostawaySyncError: that cannot be found out now.
        """
        came_at = self._seconds()
        offered = _digest(path_secret.encode(errors="replace")), _digest(_decoded(authorization or ""))
        for not_before in (came_at - BELIEVED_FOR, came_at):
            await self._read_since(not_before, came_at)
            entry = self._judged(account_id, offered, with_login=authorization is not None)
            if entry is not AuthLevel.NOTHING:
                return entry
        return AuthLevel.NOTHING

    def is_active(self, account_id: int) -> bool:
        """Say whether an account that was let in is worked on."""
        keys = self._keys.get(account_id)
        return keys is not None and keys.is_active

    async def _read_since(self, not_before: float, came_at: float) -> None:
        if self._read_at >= not_before:
            return
        async with self._reading:
            if self._read_at >= not_before:
                return
            # Whoever waited behind a reading that failed shares its failure, instead of failing one after the other.
            failed_at, failure = self._failed
            if failed_at >= came_at:
                raise failure
            if (wait := max(self._read_at, failed_at) + DISTANCE - self._seconds()) > 0:
                await self._sleep(wait)
            began_at = self._seconds()
            try:
                self._keys = await self._read()
            except Exception as error:
                self._failed = began_at, error
                raise
            self._read_at = began_at

    def _judged(self, account_id: int | None, offered: tuple[bytes, bytes], *, with_login: bool) -> AuthLevel:
        keys = self._keys.get(account_id, _NO_KEYS) if account_id is not None else _NO_KEYS
        if keys is None:
            raise SecretError(f"the webhook's credentials of account {account_id} cannot be opened: run `keys check`")
        path_fits = pair_fits = False
        # All of them, whichever fits: how long it takes tells nothing.
        for path, login in keys.pairs or (_NOBODY,):
            is_path, is_login = hmac.compare_digest(path, offered[0]), hmac.compare_digest(login, offered[1])
            path_fits |= is_path
            pair_fits |= is_path & is_login
        if with_login:
            return AuthLevel.EVERYTHING if pair_fits else AuthLevel.NOTHING
        return AuthLevel.PATH if path_fits else AuthLevel.NOTHING


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


def _decoded(authorization: str) -> bytes:
    """Give login and password as `login:password`; what is no Basic auth gives nothing that could fit."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""
