"""The keys of all accounts, as they are in the database now."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import SecretError, SecretsUnavailable
from hostaway_sync.store.hooks import stored_hooks
from hostaway_sync.webhooks.doorkeeper import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.secrets import Opens
    from hostaway_sync.store.engine import Database
    from hostaway_sync.store.hooks import StoredHook
    from hostaway_sync.webhooks.doorkeeper import Keys

# Where keys lie outside the database, each is a request; a receiver that starts has them all to ask for.
_AT_ONCE: Final = 12
log = logging.getLogger(__name__)


class KeyBook:
    """Reads keys again and again, and opens only those that changed.

    Args:
        database: where they are.
        safe: gives what opens them; asked for when there is something to open.
    """

    def __init__(self, database: Database, safe: Callable[[], Opens]) -> None:
        self._database = database
        self._safe = safe
        self._opened: dict[int, tuple[StoredHook, Keys | None]] = {}

    def read(self) -> Mapping[int, Keys | None]:
        """Give the keys by account; None where those of an account cannot be opened.

        Raises:
            StoreUnavailable: the database is away.
            SecretError: there is no key ring, or the store of secrets cannot be used.
        """
        opened = self._read()
        if None in (keys for _, keys in opened.values()):
            # What is not there any more may have been replaced since its row was read.
            again = self._database.transaction(stored_hooks)
            if any(again.get(number) != hook for number, (hook, keys) in opened.items() if keys is None):
                opened = self._read()
        return {account_id: keys for account_id, (_, keys) in opened.items()}

    def _read(self) -> dict[int, tuple[StoredHook, Keys | None]]:
        stored = self._database.transaction(stored_hooks)
        # What did not open is tried again, and complained of once: the key may have been restored meanwhile.
        fresh = [hook for number, hook in stored.items() if (hook, True) != self._known(number)]
        is_new = {hook.account_id: self._known(hook.account_id)[0] != hook for hook in fresh}
        safe = self._safe() if any(map(_has_something, fresh)) else None
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="keys") as pool:
            found = pool.map(lambda hook: _opened(hook, safe, complain=is_new[hook.account_id]), fresh)
            newly = {hook.account_id: (hook, keys) for hook, keys in zip(fresh, found, strict=True)}
        self._opened = {number: newly.get(number) or self._opened[number] for number in stored}
        return self._opened

    def _known(self, account_id: int) -> tuple[StoredHook | None, bool]:
        """Give what was read of an account the last time, and whether it opened."""
        hook, keys = self._opened.get(account_id, (None, None))
        return hook, keys is not None


def _has_something(hook: StoredHook) -> bool:
    return hook.login is not None or hook.previous is not None


def _opened(hook: StoredHook, safe: Opens | None, *, complain: bool) -> Keys | None:
    if safe is None or not _has_something(hook):
        return keys_of((), is_active=hook.is_active)
    try:
        return keys_of(hook.open(safe), is_active=hook.is_active)
    except (SecretError, SecretsUnavailable) as error:
        level = logging.ERROR if complain else logging.DEBUG
        log.log(level, "deliveries to account %d get 503: %s", hook.account_id, error)
        return None
