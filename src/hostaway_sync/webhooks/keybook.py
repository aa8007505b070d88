"""The keys of all accounts, as they are in the database now."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hostaway_sync.errors import SecretError
from hostaway_sync.store.hooks import stored_hooks
from hostaway_sync.webhooks.doorkeeper import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.secrets import KeyRing
    from hostaway_sync.store.engine import Database
    from hostaway_sync.store.hooks import StoredHook
    from hostaway_sync.webhooks.doorkeeper import Keys

log = logging.getLogger(__name__)


class KeyBook:
    """Reads keys again and again, and opens only those that changed.

    Args:
        database: where they are.
        ring: gives what opens them; asked for when there is something to open.
    """

    def __init__(self, database: Database, ring: Callable[[], KeyRing]) -> None:
        self._database = database
        self._ring = ring
        self._opened: dict[int, tuple[StoredHook, Keys | None]] = {}

    def read(self) -> Mapping[int, Keys | None]:
        """Give the keys by account; None where those of an account cannot be opened.

        Raises:
            StoreUnavailable: the database is away.
            SecretError: there is no key ring.
        """
        stored = self._database.transaction(stored_hooks)
        opened = {}
        for account_id, hook in stored.items():
            known = self._opened.get(account_id)
            is_known = known is not None and known[0] == hook
            # What did not open is tried again, and complained of once: the key may have been restored meanwhile.
            if known is not None and is_known and known[1] is not None:
                opened[account_id] = known
            else:
                opened[account_id] = hook, self._open(hook, complain=not is_known)
        self._opened = opened
        return {account_id: keys for account_id, (_, keys) in opened.items()}

    def _open(self, hook: StoredHook, *, complain: bool) -> Keys | None:
        if hook.login is None and hook.previous is None:
            return keys_of((), is_active=hook.is_active)
        ring = self._ring()
        try:
            return keys_of(hook.open(ring), is_active=hook.is_active)
        except SecretError as error:
            level = logging.ERROR if complain else logging.DEBUG
            log.log(level, "deliveries to account %d get 503: %s", hook.account_id, error)
            return None
