"""What each field that is no column asks the library; its parameters are those of the schema."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import strawberry

from hostaway_sync.api.graphql.loads import Loads, Row
from hostaway_sync.api.graphql.scalars import Date, DateTime
from hostaway_sync.errors import UsageError
from hostaway_sync.model.ids import read_id
from hostaway_sync.model.rows.children import Parent
from hostaway_sync.model.rows.lists import EVERYTHING, RowFilters, RowList

LARGEST_PAGE: Final = 100
USUAL_PAGE: Final = 20

Info = strawberry.Info[Loads, None]
Limit = Annotated[int, strawberry.argument(description="The most rows of this page, 1 to 100; they count as cost.")]
Cursor = Annotated[str | None, strawberry.argument(description="`next` of the page before; none: the first page.")]
Id = Annotated[str, strawberry.argument(description="The id in its system, or the whole key, as `…_key` has it.")]
OfAccount = Annotated[str | None, strawberry.argument(description="Of this account alone.")]
Since = Annotated[
    DateTime | None,
    strawberry.argument(description="Those that this mirror stored, saw change or missed at this moment or later."),
]
FirstDay = Annotated[Date | None, strawberry.argument(description="The first day.")]
LastDay = Annotated[Date | None, strawberry.argument(description="The last day, included.")]
OfListing = Annotated[str | None, strawberry.argument(description="Of this listing, by its id or its whole key.")]


@strawberry.input(description="Which reservations; what is left out narrows nothing.")
class ReservationFilter:
    """Which reservations."""

    status: str | None = strawberry.field(default=None, description="With this status, in the word of `core`.")
    channel: str | None = strawberry.field(default=None, description="Of this channel, in the word of `core`.")
    check_in_from: Date | None = strawberry.field(default=None, description="Arriving on this day or later.")
    check_in_to: Date | None = strawberry.field(default=None, description="Arriving on this day or earlier.")
    updated_since: DateTime | None = strawberry.field(
        default=None, description="Those that this mirror stored, saw change or missed at this moment or later."
    )


Where = Annotated[ReservationFilter | None, strawberry.argument(description="Which of them.")]


async def list_accounts(info: Info, limit: Limit = USUAL_PAGE, cursor: Cursor = None) -> Any:  # noqa: ANN401  (a type made later)
    """Return a page of accounts."""
    return await info.context.list_rows(RowList.ACCOUNTS, EVERYTHING, limit, cursor)


async def get_account(info: Info, id: Id) -> Any:  # noqa: ANN401, A002  (the name in the schema)
    """Return an account."""
    return await info.context.find_row(RowList.ACCOUNTS, id)


async def list_listings(
    info: Info,
    account_id: OfAccount = None,
    updated_since: Since = None,
    limit: Limit = USUAL_PAGE,
    cursor: Cursor = None,
) -> Any:  # noqa: ANN401
    """Return a page of listings."""
    filters = RowFilters(account_id=_as_number(account_id), updated_since=updated_since)
    return await info.context.list_rows(RowList.LISTINGS, filters, limit, cursor)


async def get_listing(info: Info, id: Id, account_id: OfAccount = None) -> Any:  # noqa: ANN401, A002
    """Return a listing."""
    return await info.context.find_row(RowList.LISTINGS, id, _as_number(account_id))


async def list_reservations(
    info: Info,
    account_id: OfAccount = None,
    listing_id: OfListing = None,
    where: Where = None,
    limit: Limit = USUAL_PAGE,
    cursor: Cursor = None,
) -> Any:  # noqa: ANN401
    """Return a page of reservations."""
    filters = _filters(where, account_id=_as_number(account_id), listing_id=listing_id)
    return await info.context.list_rows(RowList.RESERVATIONS, filters, limit, cursor)


async def get_reservation(info: Info, id: Id, account_id: OfAccount = None) -> Any:  # noqa: ANN401, A002
    """Return a reservation."""
    return await info.context.find_row(RowList.RESERVATIONS, id, _as_number(account_id))


async def tell_history(info: Info, reservation_id: Id, account_id: OfAccount = None) -> Any:  # noqa: ANN401
    """Return the life of a reservation."""
    return await info.context.tell_history(reservation_id, _as_number(account_id))


async def get_account_of_row(root: strawberry.Parent[Any], info: Info) -> Any:  # noqa: ANN401
    """Return the account of a row."""
    return await info.context.find_row(RowList.ACCOUNTS, root["account_id"])


async def get_listing_of_row(root: strawberry.Parent[Any], info: Info) -> Any:  # noqa: ANN401
    """Return the listing of a reservation."""
    key = root["listing_key"]
    return None if key is None else await info.context.find_row(RowList.LISTINGS, key)


async def list_listings_of_account(
    root: strawberry.Parent[Any],
    info: Info,
    updated_since: Since = None,
    limit: Limit = USUAL_PAGE,
    cursor: Cursor = None,
) -> Any:  # noqa: ANN401
    """Return a page of the listings of an account."""
    of, filters = RowList.ACCOUNTS, RowFilters(updated_since=updated_since)
    return await info.context.list_children(of, RowList.LISTINGS, _parent(of, root), filters, limit, cursor)


async def list_days(
    root: strawberry.Parent[Any],
    info: Info,
    start: FirstDay = None,
    end: LastDay = None,
    limit: Limit = USUAL_PAGE,
    cursor: Cursor = None,
) -> Any:  # noqa: ANN401
    """Return a page of the days of a listing."""
    of, filters = RowList.LISTINGS, RowFilters(first_day=start, last_day=end)
    return await info.context.list_children(of, RowList.CALENDAR_DAYS, _parent(of, root), filters, limit, cursor)


async def list_messages(
    root: strawberry.Parent[Any], info: Info, limit: Limit = USUAL_PAGE, cursor: Cursor = None
) -> Any:  # noqa: ANN401
    """Return a page of the messages of a reservation."""
    of = RowList.RESERVATIONS
    return await info.context.list_children(of, RowList.MESSAGES, _parent(of, root), EVERYTHING, limit, cursor)


def _reservations_of(of: RowList) -> Callable[..., Awaitable[Any]]:
    async def list_reservations_of(
        root: strawberry.Parent[Any],
        info: Info,
        where: Where = None,
        limit: Limit = USUAL_PAGE,
        cursor: Cursor = None,
    ) -> Any:  # noqa: ANN401
        """Return a page of the reservations of a row."""
        parent, filters = _parent(of, root), _filters(where)
        return await info.context.list_children(of, RowList.RESERVATIONS, parent, filters, limit, cursor)

    return list_reservations_of


RESERVATIONS_OF_ACCOUNT: Final = _reservations_of(RowList.ACCOUNTS)
RESERVATIONS_OF_LISTING: Final = _reservations_of(RowList.LISTINGS)

_NUMBERS: Final = {
    RowList.ACCOUNTS: "account_id",
    RowList.LISTINGS: "listing_id",
    RowList.RESERVATIONS: "reservation_id",
}


def _parent(of: RowList, row: Row) -> Parent:
    return Parent(int(row["account_id"]), int(row[_NUMBERS[of]]))


def _filters(
    where: ReservationFilter | None, *, account_id: int | None = None, listing_id: str | None = None
) -> RowFilters:
    chosen = where or ReservationFilter()
    return RowFilters(
        account_id=account_id,
        listing_id=listing_id,
        status=chosen.status,
        channel=chosen.channel,
        check_in_from=chosen.check_in_from,
        check_in_to=chosen.check_in_to,
        updated_since=chosen.updated_since,
    )


def _as_number(account_id: str | None) -> int | None:
    """Return the id of an account as the database has it.

    Raises:
        UsageError: no account has such an id.
    """
    number = None if account_id is None else read_id(account_id)
    if account_id is not None and not number:
        raise UsageError("account_id: that is no id of an account, which is a whole number")
    return number
