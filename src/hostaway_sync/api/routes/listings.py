"""`/listings`: what can be booked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.answers import answer
from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.parameters import Id, OfAccount, Page, Raw, as_number
from hostaway_sync.api.responses import document_of, page_of
from hostaway_sync.api.rows import answer_page, find
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.rows.lists import RowFilters, RowList

router = APIRouter(prefix="/api/v1/listings", tags=["listings"], route_class=AuthorizedRoute)


class ListingList(Page, OfAccount, Raw):
    """Which listings."""

    updated_since: datetime | None = Field(
        default=None, description="Those that this mirror stored, saw change or missed at this moment or later."
    )


class OneListing(OfAccount, Raw):
    """Which listing, and how much of it."""


@router.get("", responses=page_of("Listing"))
@needs(Scope.READ)
def list_listings(request: Request, wanted: Annotated[ListingList, Query()]) -> Response:
    """List listings, by account and id."""
    filters = RowFilters(account_id=as_number(wanted.account_id), updated_since=wanted.updated_since)
    return answer_page(request, RowList.LISTINGS, wanted, filters, raw=wanted.raw)


@router.get("/{listing_id}", responses=document_of("Listing"))
@needs(Scope.READ)
def get_listing(request: Request, listing_id: Id, wanted: Annotated[OneListing, Query()]) -> Response:
    """Return one listing."""
    return answer(request, find(request, RowList.LISTINGS, listing_id, wanted.account_id, raw=wanted.raw).row)
