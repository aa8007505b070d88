"""The webhook credentials of all accounts, as they are in the database now."""

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

# Secrets outside the database cost a request each, and a receiver that starts reads all of them.
_OPENED_AT_ONCE: Final = 12
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
log = logging.getLogger(__name__)


class _Pauses:
    """How long a failed secret is not tried again: a second at first, and twice as long after each failure."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._pauses: dict[object, tuple[float, float]] = {}

    def are_over(self, key: object) -> bool:
        """Whether the secret of `key` may be tried again."""
        until, _ = self._pauses.get(key, (-math.inf, 0.0))
        return until <= self._seconds()

    def prolong(self, key: object) -> None:
        """Begin a pause after a failure."""
        _, pause = self._pauses.get(key, (0.0, _FIRST_PAUSE_S / 2))
        pause = min(pause * 2, _LONGEST_PAUSE_S)
        self._pauses[key] = self._seconds() + pause, pause

    def forget(self, key: object) -> None:
        """Forget the failures: the secret opened, or is another one now."""
        self._pauses.pop(key, None)


class CredentialsCache:
    """Reads credentials again and again, and opens only those that changed.

    Credentials that do not open are tried again after pauses that grow: guesses of strangers cause readings, and a
    secrets store that fails must not be asked by each of them.

    Args:
        database: with the credentials.
        open_vault: returns what opens them; called when there is something to open.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        database: Database,
        open_vault: Callable[[], SecretReader],
        *,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._open_vault = open_vault
        self._pauses = _Pauses(seconds)
        self._opened: dict[int, tuple[StoredHook, AccountCredentials | None]] = {}
        self._vault_error: SecretError | SecretsUnavailable | None = None

    def read(self) -> Mapping[int, AccountCredentials | None]:
        """Return the credentials by account; None where those of an account cannot be opened.

        Raises:
            StoreUnavailable: the database is away.
            SecretError: there is no key ring, or the secrets store cannot be used.
        """
        opened = self._read()
        if None in (keys for _, keys in opened.values()):
            # A secret that is gone may have been replaced since its row was read.
            again = self._database.transaction(find_stored_hooks)
            if any(again.get(number) != hook for number, (hook, keys) in opened.items() if keys is None):
                opened = self._read()
        return {account_id: keys for account_id, (_, keys) in opened.items()}

    def _read(self) -> dict[int, tuple[StoredHook, AccountCredentials | None]]:
        stored = self._database.transaction(find_stored_hooks)
        # Credentials that did not open are tried again, but logged once: the key may have been restored meanwhile.
        to_open = [hook for number, hook in stored.items() if self._is_to_open(number, hook)]
        is_new = {hook.account_id: self._last_read(hook.account_id)[0] != hook for hook in to_open}
        vault = self._open_vault_unless_paused() if any(map(_has_something, to_open)) else None
        with ThreadPoolExecutor(_OPENED_AT_ONCE, thread_name_prefix="credentials") as pool:
            found = pool.map(lambda hook: _open(hook, vault, is_news=is_new[hook.account_id]), to_open)
            newly = {hook.account_id: (hook, keys) for hook, keys in zip(to_open, found, strict=True)}
        for number, (_, keys) in newly.items():
            if keys is not None or is_new[number]:
                self._pauses.forget(number)
            if keys is None:
                self._pauses.prolong(number)
        self._opened = {number: newly.get(number) or self._opened[number] for number in stored}
        return self._opened

    def _is_to_open(self, account_id: int, hook: StoredHook) -> bool:
        known, has_opened = self._last_read(account_id)
        return known != hook or (not has_opened and self._pauses.are_over(account_id))

    def _open_vault_unless_paused(self) -> SecretReader:
        if self._vault_error is not None and not self._pauses.are_over(None):
            raise self._vault_error.with_traceback(None)  # each raise would make its traceback longer
        try:
            vault = self._open_vault()
        except (SecretError, SecretsUnavailable) as error:
            self._vault_error = error
            self._pauses.prolong(None)
            raise
        self._vault_error = None
        self._pauses.forget(None)
        return vault

    def _last_read(self, account_id: int) -> tuple[StoredHook | None, bool]:
        """Return what was last read of an account, and whether it opened."""
        hook, keys = self._opened.get(account_id, (None, None))
        return hook, keys is not None


def _has_something(hook: StoredHook) -> bool:
    return hook.login is not None or hook.previous is not None


def _open(hook: StoredHook, vault: SecretReader | None, *, is_news: bool) -> AccountCredentials | None:
    if vault is None or not _has_something(hook):
        return hash_credentials((), is_active=hook.is_active)
    try:
        return hash_credentials(hook.open(vault), is_active=hook.is_active)
    except (SecretError, SecretsUnavailable) as error:
        level = logging.ERROR if is_news else logging.DEBUG
        log.log(level, "deliveries to account %d get 503: %s", hook.account_id, error)
        return None
