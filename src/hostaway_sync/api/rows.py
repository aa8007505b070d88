"""Lists and single rows of a caller's accounts, as several routes answer with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostaway_sync.api.answers import answer
from hostaway_sync.api.parameters import as_number
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.model.rows.cursor import RowCursor
from hostaway_sync.model.rows.lists import EVERYTHING, PARENTS, RowFilters, RowList

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request
    from starlette.responses import Response

    from hostaway_sync.api.parameters import Page
    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.rows.lists import Part
    from hostaway_sync.model.rows.pages import FoundRow, RowPage


def mirror_of(request: Request) -> Mirror:
    """Return the library."""
    mirror: Mirror = request.app.state.mirror
    return mirror


def answer_page(
    request: Request, wanted: RowList, page: Page, filters: RowFilters = EVERYTHING, *, raw: bool = False
) -> Response:
    """Return a page of a list."""
    after = None if page.cursor is None else RowCursor.parse(page.cursor)
    access = request.state.caller.access
    found = mirror_of(request).rows.list_rows(access, wanted, filters, after=after, limit=page.limit, with_raw=raw)
    return answer(request, page_document(found))


def answer_page_of(
    request: Request,
    wanted: RowList,
    parent: str,
    account_id: str | None,
    page: Page,
    filters: RowFilters = EVERYTHING,
    *,
    raw: bool,
) -> Response:
    """Return a page of one object's rows.

    Raises:
        Problem: the caller has no such object.
    """
    after = None if page.cursor is None else RowCursor.parse(page.cursor)
    found = mirror_of(request).rows.list_rows_of(
        request.state.caller.access,
        wanted,
        parent,
        filters,
        account_id=as_number(account_id),
        after=after,
        limit=page.limit,
        with_raw=raw,
    )
    if found is None:
        raise not_found(PARENTS[wanted][0])
    return answer(request, page_document(found))


def not_found(wanted: RowList) -> Problem:
    """Return the problem of a row that is not there, or another's: nothing tells which."""
    return Problem(ProblemKind.NOT_FOUND, f"there is no such {_NAMES[wanted]} among the accounts of this caller")


def page_document(page: RowPage) -> dict[str, Any]:
    """Return a page as the document of every list."""
    return {"items": page.items, "next": None if page.next is None else str(page.next)}


def find(
    request: Request,
    wanted: RowList,
    record_id: str,
    account_id: str | None = None,
    *,
    raw: bool = False,
    include: Collection[Part] = (),
) -> FoundRow:
    """Return a row of the caller's.

    Raises:
        Problem: there is none, or it is another's.
    """
    found = mirror_of(request).rows.find_row(
        request.state.caller.access,
        wanted,
        record_id,
        account_id=as_number(account_id),
        with_raw=raw,
        include=include,
    )
    if found is None:
        raise not_found(wanted)
    return found


_NAMES = {
    RowList.ACCOUNTS: "account",
    RowList.LISTINGS: "listing",
    RowList.RESERVATIONS: "reservation",
    RowList.SYNC_RUNS: "run",
    RowList.SENT_MESSAGES: "message",
    RowList.DEAD_LETTERS: "dead letter",
}
