"""The access token of one account: stored across runs, issued by one thread for all, renewed once.

A token works about a second after it was issued and is refused before (API notes, 1.1), so it is held back that long.
A refusal does not say whether the token or the object is the reason (API notes, 1.2). So the token is renewed once in
the life of a `TokenProvider`, for all its threads; a thread that failed with an older token gets the newer one.

One process renews, and the others wait for the token that it stores. A token that another process has just renewed
counts as renewed here, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from hostaway_sync.model.records import AccessToken

ACTIVATION_DELAY: Final = timedelta(seconds=1.1)
# A token is replaced after this share of its life.
USED_SHARE_OF_LIFE: Final = 0.9
JUST_RENEWED: Final = timedelta(minutes=1)
POLL_INTERVAL: Final = timedelta(seconds=0.3)
# Longer than a renewal takes. Two tokens are better than none because another process hangs while it renews.
LONGEST_WAIT: Final = timedelta(seconds=60)


class TokenVault(Protocol):
    """Stores one account's token, so that it outlives the process."""

    def load(self) -> AccessToken | None:
        """Return the stored token, or None."""
        ...

    def save(self, token: AccessToken) -> None:
        """Store `token` in place of the stored one."""
        ...

    def claim_renewal(self) -> AbstractContextManager[bool]:
        """Claim the right to renew the token while the block runs; False: another process has it."""
        ...


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and its number among the tokens of one `TokenProvider`, from 1."""

    token: AccessToken
    generation: int


class TokenProvider:
    """Provides many threads with the token of one account.

    Args:
        vault: stores the token.
        issue: asks Hostaway for a token, and is told why; may raise `SourceError`.
        pause: sleeps; raises `SourceError` once the client is closed.
        now: the time of this machine, aware.
    """

    def __init__(
        self,
        *,
        vault: TokenVault,
        issue: Callable[[str], AccessToken],
        pause: Callable[[timedelta], None],
        now: Callable[[], datetime],
    ) -> None:
        self._vault = vault
        self._issue = issue
        self._pause = pause
        self._now = now
        self._lock = Lock()
        self._current: IssuedToken | None = None
        self._is_renewed = False

    def current(self) -> IssuedToken:
        """Return the token to use now: the stored one, or a new one if none is stored or its life is almost over."""
        with self._lock:
            if self._current is None and (stored := self._vault.load()) is not None:
                self._current = IssuedToken(stored, 1)
            if self._current is None:
                self._current = self._newer(None, "token: none is stored")
            elif not self._is_fresh(self._current.token):
                self._current = self._newer(self._current, "token: the stored one will end soon")
            return self._current

    def renew(self, refused: IssuedToken) -> IssuedToken | None:
        """Return a newer token than the refused one, or None if it was renewed already."""
        with self._lock:
            if self._current is not None and self._current.generation > refused.generation:
                return self._current
            if self._is_renewed:
                return None
            self._current = self._newer(refused, "token: it was refused, and is renewed once")
            self._is_renewed = self._now() - self._current.token.issued_at < JUST_RENEWED
            return self._current

    def _newer(self, old: IssuedToken | None, why: str) -> IssuedToken:
        generation = 1 if old is None else old.generation + 1
        waited = timedelta(0)
        while True:
            with self._vault.claim_renewal() as is_ours:
                stored = self._vault.load()
                if stored is not None and self._is_fresh(stored) and (old is None or stored.value != old.token.value):
                    return IssuedToken(stored, generation)
                if is_ours or waited >= LONGEST_WAIT:
                    return IssuedToken(self._issue_and_store(why), generation)
            self._pause(POLL_INTERVAL)
            waited += POLL_INTERVAL

    def _issue_and_store(self, why: str) -> AccessToken:
        token = self._issue(why)
        self._pause(ACTIVATION_DELAY)
        self._vault.save(token)
        return token

    def _is_fresh(self, token: AccessToken) -> bool:
        lifetime = token.expires_at - token.issued_at
        return self._now() < token.expires_at - lifetime * (1 - USED_SHARE_OF_LIFE)
