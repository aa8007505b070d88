from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.changes import add_record, change_writers, insert_changes
from tests.support.records import add_account

from hostaway_sync.errors import UsageError
from hostaway_sync.history.feed import Feed
from hostaway_sync.model.history.feed import EVERYTHING, OLDEST, FeedCursor, FeedFilter
from hostaway_sync.store.history import feed
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from hostaway_sync.model.history.feed import FeedPage

WRITERS = 10
RECORDS = ("1", "2", "3")
# Each step: a writer, and what it does: change one of three records, commit, or roll back.
STEPS = st.lists(
    st.tuples(st.integers(0, WRITERS - 1), st.sampled_from([*RECORDS, "commit", "commit", "rollback"])),
    min_size=12,
    max_size=50,
)


def numbers(page: FeedPage) -> list[int]:
    """Return the numbers of the changes of a page."""
    return [change.change_id for _, change in page.entries]


def read_rest(database: Database, cursor: FeedCursor, wanted: FeedFilter = EVERYTHING, limit: int = 500) -> list[int]:
    """Return the numbers of all settled changes after a cursor, read from the last one's own cursor each time."""
    found: list[int] = []
    while True:
        page = Feed(database).read(cursor, wanted, limit=limit)
        found += numbers(page)
        if page.is_last:
            return found
        cursor = page.entries[-1][0] if page.entries else page.cursor


class Records:
    """What a record's row lock does: one writer at a time may change it, until that one's transaction ends."""

    def __init__(self) -> None:
        self.holders: dict[str, int] = {}
        self.order: dict[str, list[int]] = {record: [] for record in RECORDS}

    def may_change(self, record: str, writer: int) -> bool:
        """Whether no other writer holds the record; from now on this one does."""
        return self.holders.setdefault(record, writer) == writer

    def release(self, writer: int, written: list[tuple[str, int]]) -> None:
        """Note the changes that a writer committed, in the order in which it may only have made them."""
        for record, number in written:
            self.order[record].append(number)
        self.holders = {record: holder for record, holder in self.holders.items() if holder != writer}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limit=st.integers(1, 4))
def test_late_commits_are_never_skipped_or_doubled(database: Database, steps: list[Any], limit: int) -> None:
    """Ten writers commit in another order than they began; a reader looks after each step, two pages at most."""
    database.transaction(
        lambda connection: connection.execute(
            sa.text("INSERT INTO hostaway.accounts (account_id) VALUES (1) ON CONFLICT DO NOTHING")
        )
    )
    for record in RECORDS:
        add_record(database, record)
    records, found = Records(), []
    reader = database.separate_pool(pool_size=2, patience=1)
    cursor = reader.transaction(feed.find_end)
    wider = Database(database.engine.url, schema="hostaway", pool_size=WRITERS)
    with change_writers(wider, WRITERS) as writers:
        for writer, step in [*steps, *((writer, "commit") for writer in range(WRITERS))]:
            if step in records.order:
                if records.may_change(step, writer):
                    writers[writer].write(step)
            else:
                records.release(writer, writers[writer].end(commit=step == "commit"))
            page = Feed(reader).read(cursor, limit=limit)
            found += [(change.record_id, change.change_id) for _, change in page.entries]
            cursor = page.cursor
    while not (page := Feed(reader).read(cursor, limit=limit)).is_last or page.entries:
        found += [(change.record_id, change.change_id) for _, change in page.entries]
        cursor = page.cursor
    wider.close()
    reader.close()
    assert {record: [number for owner, number in found if owner == record] for record in records.order} == records.order


def test_changes_wait_for_an_older_transaction(database: Database) -> None:
    """A page says that something waits; the order of numbers is not the order of the feed."""
    add_account(database)
    for record in RECORDS:
        add_record(database, record)
    with change_writers(database, 2) as (older, newer):
        older.write("1")
        newer.write("2")
        (late,) = [number for _, number in newer.end(commit=True)]
        waiting = Feed(database).read(OLDEST)
        assert (waiting.entries, waiting.is_last, waiting.is_waiting) == ((), True, True)
        (early,) = [number for _, number in older.end(commit=True)]
    page = Feed(database).read(waiting.cursor)
    assert (numbers(page), page.is_last, page.is_waiting) == ([early, late], True, False)


def test_every_cursor_goes_on_where_it_stands(database: Database) -> None:
    """In one page or many, from every change of two batches, with a filter and without."""
    add_account(database)
    feed_of = Feed(database)
    insert_changes(database, 3)
    first = feed_of.read(OLDEST)
    insert_changes(database, 3, record="2")
    second = feed_of.read(first.cursor)
    entries = [*first.entries, *second.entries]
    everything = [change.change_id for _, change in entries]
    for place, (cursor, _) in enumerate(entries, start=1):
        assert read_rest(database, FeedCursor.parse(str(cursor)), limit=2) == everything[place:]
    for limit in (1, 2, 3, 6, 7):
        assert read_rest(database, OLDEST, limit=limit) == everything
    assert read_rest(database, OLDEST, FeedFilter(account_ids=frozenset({1}), resource="listings")) == everything
    for nothing in (FeedFilter(account_ids=frozenset({2})), FeedFilter(resource="reservations")):
        assert read_rest(database, OLDEST, nothing, limit=2) == []


def test_a_time_begins_after_it(database: Database) -> None:
    """Also where a transaction that began earlier commits later, and where earlier changes lie between later ones."""
    add_account(database)
    add_record(database, "1")
    insert_changes(database, 2, days=2)
    with change_writers(database, 1) as (writer,):
        writer.write("1")
        (noon,) = sql.row(database, "SELECT clock_timestamp() - interval '1 day'")
        insert_changes(database, 2, days=3)
        (after,) = insert_changes(database)
        cursor = database.transaction(partial(feed.find_start, since=noon))
        ((_, late),) = writer.end(commit=True)
    assert read_rest(database, cursor, FeedFilter(after=noon)) == [late, after]
    (now,) = sql.row(database, "SELECT clock_timestamp()")
    assert read_rest(database, Feed(database).begin(now), FeedFilter(after=now)) == []
    assert read_rest(database, Feed(database).begin(now - timedelta(days=9)), FeedFilter(after=now)) == []


def test_a_cursor_of_another_database_is_refused(database: Database) -> None:
    """A restored backup would otherwise hide all changes until it had caught up."""
    with pytest.raises(UsageError, match="ahead of this database"):
        Feed(database).read(FeedCursor.after_all_below(2**62))


def test_pruning_under_a_reader_is_noticed(database: Database) -> None:
    """Nothing comes twice; what was deleted before it was read is said once, what was read before is no loss."""
    add_account(database)
    kept = insert_changes(database, 3000, days=500)
    feed_of = Feed(database)
    page = feed_of.read(OLDEST, limit=1000)
    assert numbers(page) == kept[:1000]
    assert not page.has_lost
    delete = "DELETE FROM hostaway.changes WHERE change_id <= :number"
    sql.execute(database, delete, number=kept[999])
    page = feed_of.read(page.cursor, limit=500)
    assert (numbers(page), page.has_lost) == (kept[1000:1500], False)
    sql.execute(database, delete, number=kept[1999])
    page = feed_of.read(page.cursor, limit=500)
    assert (numbers(page), page.has_lost) == (kept[2000:2500], True)
    page = feed_of.read(page.cursor, limit=500)
    assert (numbers(page), page.has_lost) == (kept[2500:], False)
    last, end = page.entries[-1][0], feed_of.read(page.cursor).cursor
    sql.execute(database, delete, number=kept[2999])
    (next_one,) = insert_changes(database)
    for cursor in (last, end):
        page = feed_of.read(cursor)
        assert (numbers(page), page.has_lost) == ([next_one], False)
    sql.execute(database, delete, number=next_one)
    insert_changes(database)
    assert [feed_of.read(cursor).has_lost for cursor in (last, end)] == [True, False]


def test_pages_follow_indexes(database: Database) -> None:
    """With many changes that the planner's statistics know nothing of, no statement sorts or reads the whole table."""
    add_account(database)
    insert_changes(database, 3000)
    middle = Feed(database).read(OLDEST).cursor
    insert_changes(database, 3000, record="2")
    rest = Feed(database).read(middle, limit=9000).cursor
    insert_changes(database, 3000)
    plans: list[str] = []

    def explain(_c: Any, cursor: Any, statement: str, values: Any, *_: object) -> None:
        if "hostaway.changes" in statement:
            cursor.execute(f"EXPLAIN {statement}", values)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))

    sa.event.listen(database.engine, "before_cursor_execute", explain)
    for wanted in (FeedFilter(), FeedFilter(account_ids=frozenset({1})), FeedFilter(resource="reservations")):
        for cursor in (OLDEST, middle, rest):
            Feed(database).read(cursor, wanted)
    sa.event.remove(database.engine, "before_cursor_execute", explain)
    assert len(plans) > 9
    assert [plan for plan in plans if "Sort" in plan or "Seq Scan on changes" in plan or "Bitmap" in plan] == []


@pytest.mark.parametrize("days", [(-1, 0, 1), (1, 0, -1), (0, 3, 0)], ids=["back", "forward", "back and forward"])
def test_a_clock_that_jumps_changes_no_order_and_hides_no_change(database: Database, days: tuple[int, ...]) -> None:
    """The feed goes by commits, `--since TIME` by the time that each change has; each `days` ago, in this order."""
    add_account(database)
    written = [insert_changes(database, days=ago)[0] for ago in days]
    assert read_rest(database, OLDEST) == written
    (now,) = sql.row(database, "SELECT clock_timestamp()")
    for since in (-0.5, 0.5, 2):
        moment = now - timedelta(days=since)
        start = database.transaction(partial(feed.find_start, since=moment))
        later = [number for number, ago in zip(written, days, strict=True) if ago < since]
        assert read_rest(database, start, FeedFilter(after=moment)) == later
