"""The access token of one account: kept across runs, issued by one thread for all, renewed once.

A token works about a second after it was issued and is refused before (API notes, 1.1), so it is held back that long
before anyone sees it. A refusal does not say whether the token or the object is the reason (API notes, 1.2): the token
is renewed once in the life of this object, for all threads together; whoever failed with an older one takes the newer.

Of all processes one renews: the others wait for what it stores. One that another has just renewed counts as renewed.
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

    from hostaway_sync.model.records import Token

ACTIVATION: Final = timedelta(seconds=1.1)
USED_SHARE_OF_LIFE: Final = 0.9
JUST_NOW: Final = timedelta(minutes=1)
LOOK_AGAIN: Final = timedelta(seconds=0.3)
# Longer than a renewal takes: better two tokens than none because another process hangs in its own.
PATIENCE: Final = timedelta(seconds=60)


class TokenVault(Protocol):
    """Where one account's token outlives the process."""

    def load(self) -> Token | None:
        """Give the stored token, or None."""
        ...

    def save(self, token: Token) -> None:
        """Keep `token` in place of what was there."""
        ...

    def renewing(self) -> AbstractContextManager[bool]:
        """Claim the right to renew the token while the block runs; False: another process has it."""
        ...


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, and the how-manieth it is for this object."""

    token: Token
    generation: int


class TokenProvider:
    """Gives passes to many threads.

    Args:
        vault: where the token outlives this process.
        issue: asks the source for a token, told why; blocks, and may raise `SourceError`.
        pause: sleeps, and may raise `SourceError` when it is no use to go on.
        clock: our own clock, aware.
    """

    def __init__(
        self,
        *,
        vault: TokenVault,
        issue: Callable[[str], Token],
        pause: Callable[[timedelta], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._vault = vault
        self._issue = issue
        self._pause = pause
        self._clock = clock
        self._lock = Lock()
        self._current: IssuedToken | None = None
        self._is_renewed = False

    def current(self) -> IssuedToken:
        """Give the token to use now: the kept one, or a new one where there is none that will live on for a while."""
        with self._lock:
            if self._current is None and (kept := self._vault.load()) is not None:
                self._current = IssuedToken(kept, 1)
            if self._current is None:
                self._current = self._newer(None, "token: none is stored")
            elif not self._is_fresh(self._current.token):
                self._current = self._newer(self._current, "token: the stored one will end soon")
            return self._current

    def renewed(self, refused: IssuedToken) -> IssuedToken | None:
        """Give a newer token than the one refused, or None when this one was the last to be had."""
        with self._lock:
            if self._current is not None and self._current.generation > refused.generation:
                return self._current
            if self._is_renewed:
                return None
            self._current = self._newer(refused, "token: it was refused, and is renewed once")
            self._is_renewed = self._clock() - self._current.token.issued_at < JUST_NOW
            return self._current

    def _newer(self, old: IssuedToken | None, why: str) -> IssuedToken:
        generation = 1 if old is None else old.generation + 1
        waited = timedelta(0)
        while True:
            with self._vault.renewing() as is_ours:
                kept = self._vault.load()
                if kept is not None and self._is_fresh(kept) and (old is None or kept.value != old.token.value):
                    return IssuedToken(kept, generation)
                if is_ours or waited >= PATIENCE:
                    return IssuedToken(self._issued(why), generation)
            self._pause(LOOK_AGAIN)
            waited += LOOK_AGAIN

    def _issued(self, why: str) -> Token:
        token = self._issue(why)
        self._pause(ACTIVATION)
        self._vault.save(token)
        return token

    def _is_fresh(self, token: Token) -> bool:
        lifetime = token.expires_at - token.issued_at
        return self._clock() < token.expires_at - lifetime * (1 - USED_SHARE_OF_LIFE)
