"""What changed in a mirror, and when."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.resources import list_names
from hostaway_sync.errors import AccountError, HostawaySyncError, UsageError
from hostaway_sync.history.feed import Feed
from hostaway_sync.history.watch import watch_changes
from hostaway_sync.model.history.feed import FeedCursor, FeedFilter
from hostaway_sync.model.history.life import tell_life
from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.kinds.table import KINDS
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.history import stay

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator
    from datetime import datetime

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.history.events import LifeEvent
    from hostaway_sync.model.history.new_changes import NewChanges

# What has changes and is no record of the source: how runs end, and what becomes of messages to guests.
_OF_OURS: Final = ("sync", "send")
_SHARED: Final = {name for name, spec in KINDS.items() if spec.scope is Scope.INSTALLATION}


def list_changing() -> list[str]:
    """Return the names of all resources that have changes; conversations have none."""
    names = [name for name in list_names() if name != Resource.CONVERSATIONS and name not in _SHARED]
    return [*names, *_OF_OURS]


def require_changing(resource: str) -> None:
    """Raise UsageError unless the resource is one of `list_changing`."""
    if resource not in list_changing():
        raise UsageError(f"no resource {resource!r} has changes: give one of {', '.join(list_changing())}")


class History:
    """The history of one mirror.

    Args:
        container: names the database.
    """

    def __init__(self, container: Container) -> None:
        self._database = container.database
        self._keys = container.vocabulary.stay

    @cached_property
    def feed(self) -> Feed:
        """The feed of changes."""
        return Feed(self._database)

    def watch(self, stop: threading.Event) -> Generator[NewChanges, None, None]:
        """Yield whose records changed, look by look, until `stop` is set; it holds one connection."""
        return watch_changes(self._database, stop)

    def choose(
        self,
        *,
        account_id: int | None = None,
        resource: str | None = None,
        since: FeedCursor | datetime | None = None,
    ) -> tuple[FeedCursor, FeedFilter]:
        """Return where a reader of the feed begins, and which changes it wants.

        Args:
            account_id: whose changes; None: of all accounts.
            resource: a name of `list_changing`; None: all.
            since: the changes after a cursor, or later than a time; None: all that are kept.

        Raises:
            UsageError: there is no such account or resource.
        """
        if resource is not None:
            require_changing(resource)
        if account_id is not None and account_queries.find_account(self._database, account_id) is None:
            raise UsageError(f"account {account_id} is unknown here: `hostaway-sync account list` shows the accounts")
        after = None if since is None or isinstance(since, FeedCursor) else since
        accounts = None if account_id is None else frozenset({account_id})
        return self.feed.begin(since), FeedFilter(accounts, resource, after)

    def tell(self, reservation_id: int, *, account_id: int | None = None) -> tuple[int, list[LifeEvent]]:
        """Return the account of a reservation, and its life in the order in which it happened.

        Args:
            reservation_id: the source's id.
            account_id: whose reservation; needed where several accounts have one with this id.

        Raises:
            UsageError: several accounts have such a reservation.
            AccountError: the account is unknown.
            HostawaySyncError: no such reservation is mirrored.
        """
        if account_id is None:
            account_id = self._find_account(reservation_id)
        elif account_queries.find_account(self._database, account_id) is None:
            raise AccountError.unknown(account_id)
        read = partial(stay.read_stay, account_id=account_id, reservation_id=reservation_id, keys=self._keys)
        facts = self._database.transaction(read)
        if facts is None:
            raise HostawaySyncError(f"account {account_id} has no reservation {reservation_id} here: sync first")
        return account_id, tell_life(facts, self._keys)

    def _find_account(self, reservation_id: int) -> int:
        found = self._database.transaction(partial(stay.find_accounts, reservation_id=reservation_id))
        if len(found) > 1:
            accounts = ", ".join(map(str, found))
            raise UsageError(f"accounts {accounts} have a reservation {reservation_id}: use --account")
        if not found:
            raise HostawaySyncError(f"no account has a reservation {reservation_id} here: sync first, or check the id")
        return found[0]
