from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest
from tests.support.api_rows import fill_accounts, open_rows

from hostaway_sync.errors import AmbiguousRecord, UsageError
from hostaway_sync.model.callers import Access
from hostaway_sync.model.rows.children import ChildList, Parent
from hostaway_sync.model.rows.lists import EVERYTHING, RowFilters, RowList
from hostaway_sync.model.rows.pages import RowPage
from hostaway_sync.store.callers.scoped_reads import ScopedReads

if TYPE_CHECKING:
    from hostaway_sync.app.data.rows import Rows
    from hostaway_sync.store.postgres.database import Database

ALL = Access.everything()
ONE = Access.of_accounts({1})
STAYS = [Parent(account, number) for account, number in ((2, 7), (1, 8), (1, 7), (2, 99), (2, 7))]
HOUSES = [Parent(2, 5), Parent(1, 5), Parent(1, 6)]
DAYS = RowFilters(first_day=date(2026, 5, 2), last_day=date(2026, 5, 3))


@pytest.fixture
def rows(database: Database) -> Rows:
    """Return the rows of accounts 1 and 2, which only the questions keep apart."""
    fill_accounts(database, 1, 2)
    return open_rows(ScopedReads(database, None))


def test_rows_of_many_parents_are_those_of_each_alone(rows: Rows) -> None:
    """The same pages, with the same cursors, in the order of the parents; a parent may come twice."""
    for of, wanted, parents, filters in (
        (RowList.RESERVATIONS, RowList.MESSAGES, STAYS, EVERYTHING),
        (RowList.LISTINGS, RowList.CALENDAR_DAYS, HOUSES, DAYS),
    ):
        for limit in (1, 2, 3):
            found = rows.batches.list_children(
                ALL, ChildList(of=of, rows=wanted, filters=filters, limit=limit), parents
            )
            for parent, page in zip(parents, found, strict=True):
                key = f"hostaway:{parent.account_id}:{parent.number}"
                alone = rows.list_rows_of(ALL, wanted, key, filters, limit=limit)
                assert page == (alone or RowPage((), None)), (wanted, parent, limit)
    chosen = [EVERYTHING, *(RowFilters(status=word) for word in ("confirmed", "unknown"))]
    chosen += [RowFilters(channel=word) for word in ("vrbo", "other")]
    for of, parents in ((RowList.LISTINGS, HOUSES), (RowList.ACCOUNTS, [Parent(2, 2)])):
        for more in chosen:
            children = ChildList(of=of, rows=RowList.RESERVATIONS, filters=more, limit=2)
            for parent, page in zip(parents, rows.batches.list_children(ALL, children, parents), strict=True):
                listing = str(parent.number) if of is RowList.LISTINGS else None
                given = replace(more, account_id=parent.account_id, listing_id=listing)
                assert page == rows.list_rows(ALL, RowList.RESERVATIONS, given, limit=2), (given, page)


def test_rows_of_other_accounts_belong_to_nobody_here(rows: Rows) -> None:
    """Neither as parents nor by any form of their id, and no row of a caller's becomes one of theirs."""
    children = ChildList(of=RowList.RESERVATIONS, rows=RowList.MESSAGES, limit=5)
    pages = rows.batches.list_children(ONE, children, STAYS)
    assert [[row["account_id"] for row in page.items] for page in pages if isinstance(page, RowPage)] == [
        [], [], ["1", "1"], [], []
    ]  # fmt: skip
    assert rows.batches.list_children(ONE, children, []) == []
    asked = [("hostaway:2:7", None), ("7", 2), ("7", None), ("hostaway:1:7", 2), ("x", None), ("9" * 30, None)]
    found = rows.batches.find_rows(ONE, RowList.RESERVATIONS, asked)
    assert [None if row is None or isinstance(row, Exception) else row["guest_name"] for row in found] == [
        None, None, "guest of-1", None, None, None
    ]  # fmt: skip
    assert isinstance(rows.batches.find_rows(ALL, RowList.RESERVATIONS, asked)[2], AmbiguousRecord)
    assert rows.batches.find_rows(ONE, RowList.ACCOUNTS, [("2", None)]) == [None]
    for named in (("hostaway:2:7", None), ("7", 2)):
        assert rows.batches.find_rows(ONE, RowList.RESERVATIONS, [named]) == [None], named


def test_a_cursor_counts_for_one_parent_alone(rows: Rows) -> None:
    """Others get an error, each its own; with it the next rows come."""
    of = RowList.RESERVATIONS
    (first, *_) = rows.batches.list_children(ALL, ChildList(of=of, rows=RowList.MESSAGES, limit=1), STAYS)
    assert isinstance(first, RowPage)
    children = ChildList(of=of, rows=RowList.MESSAGES, limit=1, after=first.next)
    pages = rows.batches.list_children(ALL, children, STAYS)
    assert [type(page) for page in pages] == [RowPage, UsageError, UsageError, UsageError, RowPage]
    assert isinstance(pages[0], RowPage)
    assert [row["message_id"] for row in pages[0].items] == ["10"]
