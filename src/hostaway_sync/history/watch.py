"""Watch the feed of changes for many readers at once: one connection listens, each look tells whose records changed."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.history.feed import USUAL
from hostaway_sync.store.history import feed
from hostaway_sync.store.history.new_changes import find_new_changes
from hostaway_sync.store.postgres.notifications import Listener

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator

    from hostaway_sync.history.feed import FollowTimings
    from hostaway_sync.model.history.new_changes import NewChanges
    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)


def watch_changes(
    database: Database, stop: threading.Event, timings: FollowTimings = USUAL
) -> Generator[NewChanges, None, None]:
    """Yield whose records changed, after each look, until `stop` is set; a database that is away is waited for.

    The first look says that there may be changes of any account: a reader looks once, and is told of all that follows.
    """
    position: int | None = None
    is_away = False
    with Listener(database, feed.CHANNEL) as listener:
        while not stop.is_set():
            try:
                found = database.transaction(partial(find_new_changes, since=position))
            except HostawaySyncError as error:
                if not is_away:
                    log.warning("changes: readers who wait are told when the database is back: %s", error)
                is_away = True
                stop.wait(timings.away_s)
                continue
            is_away, position = False, found.position
            yield found
            stop.wait(timings.pause_s)
            if not stop.is_set():
                listener.wait(timings.waiting_s if found.is_waiting else timings.poll_s)
