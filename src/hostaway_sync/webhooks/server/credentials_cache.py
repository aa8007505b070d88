"""The keys of all accounts, as they are in the database now."""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import SecretError, SecretsUnavailable
from hostaway_sync.store.webhooks.credentials import find_stored_hooks
from hostaway_sync.webhooks.server.auth import hash_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.secrets import SecretReader
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.webhooks.credentials import StoredHook
    from hostaway_sync.webhooks.server.auth import AccountCredentials

# Where keys lie outside the database, each is a request; a receiver that starts has them all to ask for.
_AT_ONCE: Final = 12
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
log = logging.getLogger(__name__)


class _Pauses:
    """For how long what failed is left alone: a second at first, and twice as long after each further failure."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._pauses: dict[object, tuple[float, float]] = {}

    def are_over(self, key: object) -> bool:
        """Whether it may be tried again."""
        until, _ = self._pauses.get(key, (-math.inf, 0.0))
        return until <= self._seconds()

    def failed(self, key: object) -> None:
        """Leave it alone for a while."""
        _, pause = self._pauses.get(key, (0.0, _FIRST_PAUSE / 2))
        pause = min(pause * 2, _LONGEST_PAUSE)
        self._pauses[key] = self._seconds() + pause, pause

    def forget(self, key: object) -> None:
        """Begin anew: it succeeded, or is another thing now."""
        self._pauses.pop(key, None)


class CredentialsCache:
    """Reads keys again and again, and opens only those that changed.

    What does not open is tried again after pauses that grow: guesses of strangers set readings in motion, and a store
    of secrets that fails must not be asked by each of them.

    Args:
        database: where they are.
        safe: gives what opens them; asked for when there is something to open.
        seconds: a clock that never jumps.
    """

    def __init__(
        self, database: Database, safe: Callable[[], SecretReader], *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._safe = safe
        self._pauses = _Pauses(seconds)
        self._opened: dict[int, tuple[StoredHook, AccountCredentials | None]] = {}
        self._no_safe: SecretError | SecretsUnavailable | None = None

    def read(self) -> Mapping[int, AccountCredentials | None]:
        """Give the keys by account; None where those of an account cannot be opened.

        Raises:
            StoreUnavailable: the database is away.
            SecretError: there is no key ring, or the store of secrets cannot be used.
        """
        opened = self._read()
        if None in (keys for _, keys in opened.values()):
            # What is not there any more may have been replaced since its row was read.
            again = self._database.transaction(find_stored_hooks)
            if any(again.get(number) != hook for number, (hook, keys) in opened.items() if keys is None):
                opened = self._read()
        return {account_id: keys for account_id, (_, keys) in opened.items()}

    def _read(self) -> dict[int, tuple[StoredHook, AccountCredentials | None]]:
        stored = self._database.transaction(find_stored_hooks)
        # What did not open is tried again, and complained of once: the key may have been restored meanwhile.
        fresh = [hook for number, hook in stored.items() if self._is_to_open(number, hook)]
        is_new = {hook.account_id: self._known(hook.account_id)[0] != hook for hook in fresh}
        safe = self._what_opens() if any(map(_has_something, fresh)) else None
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="keys") as pool:
            found = pool.map(lambda hook: _opened(hook, safe, complain=is_new[hook.account_id]), fresh)
            newly = {hook.account_id: (hook, keys) for hook, keys in zip(fresh, found, strict=True)}
        for number, (_, keys) in newly.items():
            if keys is not None or is_new[number]:
                self._pauses.forget(number)
            if keys is None:
                self._pauses.failed(number)
        self._opened = {number: newly.get(number) or self._opened[number] for number in stored}
        return self._opened

    def _is_to_open(self, account_id: int, hook: StoredHook) -> bool:
        known, has_opened = self._known(account_id)
        return known != hook or (not has_opened and self._pauses.are_over(account_id))

    def _what_opens(self) -> SecretReader:
        if self._no_safe is not None and not self._pauses.are_over(None):
            raise self._no_safe.with_traceback(None)  # else each raise would make it longer
        try:
            safe = self._safe()
        except (SecretError, SecretsUnavailable) as error:
            self._no_safe = error
            self._pauses.failed(None)
            raise
        self._no_safe = None
        self._pauses.forget(None)
        return safe

    def _known(self, account_id: int) -> tuple[StoredHook | None, bool]:
        """Give what was read of an account the last time, and whether it opened."""
        hook, keys = self._opened.get(account_id, (None, None))
        return hook, keys is not None


def _has_something(hook: StoredHook) -> bool:
    return hook.login is not None or hook.previous is not None


def _opened(hook: StoredHook, safe: SecretReader | None, *, complain: bool) -> AccountCredentials | None:
    if safe is None or not _has_something(hook):
        return hash_credentials((), is_active=hook.is_active)
    try:
        return hash_credentials(hook.open(safe), is_active=hook.is_active)
    except (SecretError, SecretsUnavailable) as error:
        level = logging.ERROR if complain else logging.DEBUG
        log.log(level, "deliveries to account %d get 503: %s", hook.account_id, error)
        return None
