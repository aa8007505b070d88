from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.support import sql
from tests.support.api_rows import add_dead_letters, fill_accounts, open_rows
from tests.support.changes import insert_changes

from hostaway_sync.errors import UsageError
from hostaway_sync.history.feed import Feed
from hostaway_sync.model.callers import Access
from hostaway_sync.model.history.feed import OLDEST, FeedCursor
from hostaway_sync.model.rows.cursor import RowCursor, digest_question
from hostaway_sync.model.rows.lists import EVERYTHING, FILTERS, PARENTS, Part, RowFilters, RowList
from hostaway_sync.store.callers.scoped_reads import ScopedReads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.app.data.rows import Rows
    from hostaway_sync.store.postgres.database import Database

MINE, OTHER = Access.of_accounts([1]), Access.of_accounts([2])
DAYS = RowFilters(first_day=date(2026, 1, 1), last_day=date(2026, 12, 31))
# Of account 2: ids that account 1 does not have, and whole keys.
FOREIGN = {
    RowList.ACCOUNTS: ["2", "hostaway:2:2"],
    RowList.LISTINGS: ["hostaway:2:5"],
    RowList.RESERVATIONS: ["20001", "hostaway:2:7", "hostaway:2:20001"],
    RowList.MESSAGES: ["hostaway:2:9"],
    RowList.SYNC_RUNS: ["00000000-0000-4000-8000-000000000002"],
}


@pytest.fixture
def reads(database: Database) -> ScopedReads:
    """Return transactions for callers, without the role of the API: only the questions keep them apart."""
    fill_accounts(database, 1, 2)
    add_dead_letters(database, 1, 2)
    return ScopedReads(database, None)


def everything_of(rows: Rows, access: Access) -> Iterator[Any]:
    """Yield whatever a caller can get when it asks for all, and for what is account 2's."""
    for wanted in FILTERS.keys() - PARENTS.keys():
        for filters in (EVERYTHING, RowFilters(account_id=2)):
            yield rows.list_rows(access, wanted, filters, with_raw=True)
            for number in (0, 1, 2):
                for key in ("1", "7", "2026-05-01T14:00:00+00:00/00000000-0000-4000-8000-000000000004"):
                    with suppress(UsageError):
                        cursor = RowCursor(digest_question(wanted, filters), number, key)
                        yield rows.list_rows(access, wanted, filters, after=cursor)
    for text in ("5", "hostaway:2:5"):
        yield rows.list_rows(access, RowList.RESERVATIONS, RowFilters(listing_id=text), with_raw=True)
        yield rows.list_rows_of(access, RowList.CALENDAR_DAYS, text, DAYS, with_raw=True)
    for text in ("7", "hostaway:2:7", "20001"):
        for account in (None, 1, 2):
            yield rows.list_rows_of(access, RowList.MESSAGES, text, account_id=account, with_raw=True)
            yield rows.find_row(
                access, RowList.RESERVATIONS, text, account_id=account, with_raw=True, include=list(Part)
            )
            yield rows.tell_history(access, text, account_id=account)
    for place in (OLDEST, FeedCursor(0, 2, 0), FeedCursor(0, 2, 1)):
        yield rows.read_changes(access, place)
        yield rows.read_changes(access, place, resource="reservations")


def test_a_caller_sees_nothing_of_another(reads: ScopedReads) -> None:
    """Neither in rows, parts, history and changes, nor by ids, keys, filters and cursors; and sees all of its own."""
    rows = open_rows(reads)
    mine, others = repr(list(everything_of(rows, MINE))), repr(list(everything_of(rows, OTHER)))
    assert "of-2" not in mine
    assert "hostaway:2:" not in mine
    assert "of-1" not in others
    for word in ("account", "house", "guest", "message", "failed", "sent", "changed"):
        assert f"{word} of-1" in mine
        assert f"{word} of-2" in others


def test_what_is_anothers_is_as_what_is_not_there(reads: ScopedReads) -> None:
    """The same answer for both, and the same statements."""
    rows = open_rows(reads)
    for wanted, texts in FOREIGN.items():
        for text in texts:
            assert rows.find_row(OTHER, wanted, text) is not None
            assert rows.find_row(MINE, wanted, text) is None
            assert rows.find_row(MINE, wanted, text, account_id=2) is None
    for text in ("hostaway:2:7", "20001", "hostaway:1:99", "99"):
        assert rows.tell_history(MINE, text) is None
        assert rows.list_rows_of(MINE, RowList.MESSAGES, text) is None
    nobody = Access.of_accounts([])
    assert all(rows.list_rows(nobody, wanted).items == () for wanted in FILTERS.keys() - PARENTS.keys())
    assert rows.find_row(nobody, RowList.RESERVATIONS, "7") is None
    assert rows.read_changes(nobody, OLDEST).entries == ()


def test_a_customer_sees_its_accounts_as_they_are_now(database: Database) -> None:
    """An account that another customer gets is gone for the first at once."""
    fill_accounts(database, 1, 2)
    blue = UUID(int=1)
    rows = open_rows(ScopedReads(database, None))

    def seen() -> list[str]:
        return [row["account_id"] for row in rows.list_rows(Access.of_customer(blue), RowList.LISTINGS).items]

    assert seen() == []
    sql.execute(database, "UPDATE accounts SET customer_id = :customer", customer=blue)
    assert seen() == ["1", "2"]
    sql.execute(database, "UPDATE accounts SET customer_id = NULL WHERE account_id = 1")
    assert seen() == ["2"]


def test_changes_of_others_that_wait_are_not_told(reads: ScopedReads, database: Database) -> None:
    """Nor that a change is lost which the caller never saw; the cursors are those of the feed of all."""
    rows = open_rows(reads)
    end = rows.end_of_changes(MINE)
    assert end == Feed(database).begin(datetime.now(UTC) + timedelta(days=1))
    with database.engine.begin() as older:
        older.exec_driver_sql("SELECT pg_current_xact_id()")
        insert_changes(database, account=2)
        pages = [rows.read_changes(access, end) for access in (MINE, OTHER)]
        assert [(page.entries, page.is_last, page.is_waiting) for page in pages] == [
            ((), True, False),
            ((), True, True),
        ]
    pages = [rows.read_changes(access, end) for access in (MINE, OTHER)]
    assert [[change.account_id for _, change in page.entries] for page in pages] == [[], [2]]
    assert rows.read_changes(MINE, end, resource="reservations").cursor == pages[0].cursor
    assert rows.begin_changes(MINE) == OLDEST
    assert rows.begin_changes(MINE, end) == end
    assert rows.begin_changes(MINE, datetime(2020, 1, 1, tzinfo=UTC)).change_id == 0
    with pytest.raises(UsageError, match="no resource 'x' has changes"):
        rows.read_changes(MINE, end, resource="x")


def test_a_change_of_another_is_as_one_that_was_pruned(reads: ScopedReads, database: Database) -> None:
    """A forged cursor does not tell which changes others have; one of the caller's own is still told from those."""
    sql.execute(database, "DELETE FROM changes")
    pruned, _, others, _ = insert_changes(database, 4, account=2)
    sql.execute(database, "DELETE FROM changes WHERE change_id < :first", first=others)
    (own,) = insert_changes(database)
    rows = open_rows(reads)
    end = rows.end_of_changes(MINE).low
    lost = [rows.read_changes(MINE, FeedCursor(0, end, number)).has_lost for number in (pruned, others, own)]
    assert lost == [True, True, False]
