"""The feed of changes for one reader: where it begins, its pages, and those that are still to come."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import StoreUnavailable
from hostaway_sync.model.history.feed import EVERYTHING, OLDEST, FeedCursor
from hostaway_sync.store.history import feed
from hostaway_sync.store.postgres.notifications import Listener
from hostaway_sync.store.schema import revisions

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from hostaway_sync.model.history.feed import FeedFilter, FeedPage
    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FollowTimings:
    """How often a follower looks; all in seconds.

    Attributes:
        poll_s: between two looks without a notification.
        waiting_s: the same while changes wait for an older transaction, whose end nobody notifies.
        pause_s: the shortest time between two looks.
        away_s: between two looks while the database is away.
        schema_s: between two looks whether the database was moved or migrated.
    """

    poll_s: float = 1.0
    waiting_s: float = 0.2
    pause_s: float = 0.05
    away_s: float = 3.0
    schema_s: float = 30.0


USUAL: FollowTimings = FollowTimings()


class Feed:
    """Reads the changes of one mirror.

    Args:
        database: with the changes.
        sleep: waits.
    """

    def __init__(self, database: Database, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._database = database
        self._sleep = sleep

    def begin(self, since: FeedCursor | datetime | None) -> FeedCursor:
        """Return the cursor of a reader that wants what came after a cursor or a time; None: all that is kept."""
        if isinstance(since, datetime):
            return self._database.transaction(partial(feed.find_start, since=since))
        return since or OLDEST

    def read(self, cursor: FeedCursor, wanted: FeedFilter = EVERYTHING, *, limit: int = feed.PAGE) -> FeedPage:
        """Return the next page after a cursor.

        Raises:
            UsageError: the cursor is ahead of this database.
        """
        return self._database.transaction(partial(feed.read_page, cursor=cursor, wanted=wanted, limit=limit))

    def pages(self, cursor: FeedCursor, wanted: FeedFilter = EVERYTHING) -> Iterator[FeedPage]:
        """Yield pages until everything that is settled now is read."""
        end = self._database.transaction(feed.find_end)
        while True:
            page = self.read(cursor, wanted)
            yield page
            cursor = page.cursor
            if page.is_last or cursor.low >= end.low:
                return

    def follow(
        self, cursor: FeedCursor, wanted: FeedFilter = EVERYTHING, *, timings: FollowTimings = USUAL
    ) -> Generator[FeedPage, None, None]:
        """Yield pages for ever, an empty one after each look that found nothing.

        A database that is away is waited for.

        Raises:
            SchemaOutdated: the database was moved or migrated meanwhile.
            UsageError: the cursor is ahead of this database.
        """
        is_away, look_at = False, time.monotonic() + timings.schema_s
        with Listener(self._database, feed.CHANNEL) as listener:
            while True:
                try:
                    if is_away or time.monotonic() > look_at:
                        revisions.require_current(self._database)
                        look_at = time.monotonic() + timings.schema_s
                    page = self.read(cursor, wanted)
                except StoreUnavailable as error:
                    if not is_away:
                        log.warning("changes: the feed goes on when the database is back: %s", error)
                    is_away = True
                    self._sleep(timings.away_s)
                    continue
                is_away = False
                yield page
                cursor = page.cursor
                if page.is_last:
                    self._sleep(timings.pause_s)
                    listener.wait(timings.waiting_s if page.is_waiting else timings.poll_s)
