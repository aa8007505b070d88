"""Rows that belong to other rows, asked for many of those at once: messages of reservations, days of listings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.rows.lists import EVERYTHING, RowFilters, RowList

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.rows.cursor import RowCursor

_FILTERS: Final[Mapping[RowList, str]] = {
    RowList.ACCOUNTS: "account_id",
    RowList.LISTINGS: "listing_id",
    RowList.RESERVATIONS: "reservation_id",
}


@dataclass(frozen=True, slots=True)
class Parent:
    """A row that has others.

    Attributes:
        account_id: whose.
        number: the source's id; of an account its own.
    """

    account_id: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildList:
    """A page of rows, wanted of each of several parents.

    Attributes:
        of: the list in which the parents are.
        rows: the list of which a page is wanted.
        filters: which rows of it.
        after: `next` of the page before, which is of one parent; None: the first page.
        limit: the most rows of each parent.
        with_raw: whether rows have what the source sent.
    """

    of: RowList
    rows: RowList
    filters: RowFilters = EVERYTHING
    after: RowCursor | None = None
    limit: int
    with_raw: bool = False

    @property
    def parent_filter(self) -> str:
        """The name of the filter that names a parent."""
        return _FILTERS[self.of]

    def filters_of(self, parent: Parent) -> RowFilters:
        """Return the filters of one parent's list, as if it were asked for alone: cursors of both are the same."""
        given = {**self.filters.given(), "account_id": parent.account_id}
        if self.of is not RowList.ACCOUNTS:
            given[self.parent_filter] = str(parent.number)
        return RowFilters(**given)
