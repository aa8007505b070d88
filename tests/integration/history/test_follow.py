from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.changes import add_record, change_record, change_writers, insert_changes
from tests.support.records import add_account

from hostaway_sync.errors import SchemaOutdated, StoreUnavailable
from hostaway_sync.history.feed import Feed, FollowTimings
from hostaway_sync.model.history.feed import OLDEST
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.postgres.notifications import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.model.history.feed import FeedPage

# Nothing here waits for the clock: what is not notified would not come within the test.
NEVER = FollowTimings(poll_s=600, waiting_s=0.01, pause_s=0, away_s=0, schema_s=600)
OFTEN = FollowTimings(poll_s=0.01, waiting_s=0.01, pause_s=0, away_s=0, schema_s=0)
NOTIFY = "NOTIFY hostaway_sync_changes"


def next_numbers(pages: Iterator[FeedPage]) -> list[int]:
    """Return the numbers of the next page that has any."""
    return next([change.change_id for _, change in page.entries] for page in pages if page.entries)


def kill_others(database: Database) -> None:
    """End all other sessions of the database, as a restart of the server does."""
    sql.rows(
        database,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def test_a_follower_wakes_up_at_a_notification(database: Database) -> None:
    """Also at one that was sent while it was busy with a page."""
    add_account(database)
    add_record(database, "1")
    change_record(database, "1")
    pages = Feed(database).follow(OLDEST, timings=NEVER)
    first = next_numbers(pages)
    change_record(database, "1")
    assert (first, next_numbers(pages)) == ([1], [2])
    pages.close()


def test_a_follower_looks_by_the_clock_where_notifications_do_not_come(database: Database) -> None:
    """Nobody notifies of the end of an older transaction; nor does every pooler hand notifications on."""
    add_account(database)
    add_record(database, "1")
    add_record(database, "2")
    pages = Feed(database).follow(OLDEST, timings=OFTEN)
    assert next(pages).entries == ()
    with change_writers(database, 2) as (older, newer):
        older.write("1")
        newer.write("2")
        newer.end(commit=True)
        assert next(pages).is_waiting
        older.end(commit=True)
    assert next_numbers(pages) == [1, 2]
    pages.close()


def test_a_follower_survives_lost_connections(database: Database) -> None:
    """It loses its listening connection, and goes on by itself where the next one hears again."""
    add_account(database)
    with closing(Database(database.engine.url, schema="hostaway")) as other:
        pages = Feed(database).follow(OLDEST, timings=OFTEN)
        assert next(pages).entries == ()
        kill_others(other)
        (number,) = insert_changes(other)
        assert next_numbers(pages) == [number]
        kill_others(other)
        assert next(pages).entries == ()
        pages.close()


def test_a_follower_waits_for_a_database_that_is_away(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, however often it looked."""
    add_account(database)
    failures = iter([StoreUnavailable("away"), StoreUnavailable("away")])

    class Flickering(Feed):
        """A feed whose database is away at the second and third look."""

        def read(self, *words: object, **options: object) -> FeedPage:
            """Read, or fail as the database would."""
            if looked and (failure := next(failures, None)):
                raise failure
            looked.append(1)
            return super().read(*words, **options)  # type: ignore[arg-type]  # handed on

    looked: list[int] = []
    pages = Flickering(database).follow(OLDEST, timings=OFTEN)
    assert next(pages).entries == ()
    insert_changes(database)
    assert next_numbers(pages) == [1]
    assert [record.message for record in caplog.records].count(
        "changes: the feed goes on when the database is back: away"
    ) == 1
    pages.close()


def test_a_follower_ends_when_the_database_was_moved(database: Database) -> None:
    """The old database gets no changes any more, and would be followed for ever."""
    pages = Feed(database).follow(OLDEST, timings=OFTEN)
    next(pages)
    sql.execute(database, "UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(SchemaOutdated):
        list(zip(range(3), pages, strict=False))


def test_a_listener_takes_a_flood_as_one_hint(database: Database) -> None:
    """Its connection is closed afterwards: in the pool it would go on listening."""
    with Listener(database, "hostaway_sync_changes") as listener:
        for _ in range(5):
            sql.execute(database, NOTIFY)
        listener.wait(600)
        listener.wait(0)
    assert sql.rows(database, "SELECT * FROM pg_listening_channels()") == []
