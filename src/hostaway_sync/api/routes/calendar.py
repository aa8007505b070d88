"""`/calendar`: the days of a listing."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.authorization import AuthorizedRoute, needs
from hostaway_sync.api.parameters import Id, OfAccount, Page, Raw
from hostaway_sync.api.responses import page_of
from hostaway_sync.api.rows import answer_page_of
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.rows.lists import RowFilters, RowList

router = APIRouter(prefix="/api/v1/calendar", tags=["calendar"], route_class=AuthorizedRoute)


class DayList(Page, OfAccount, Raw):
    """Which days."""

    start: date | None = Field(default=None, description="The first day.")
    end: date | None = Field(default=None, description="The last day, included.")


@router.get("/{listing_id}", responses=page_of("CalendarDay"))
@needs(Scope.READ)
def list_days(request: Request, listing_id: Id, wanted: Annotated[DayList, Query()]) -> Response:
    """List the days of a listing's calendar, by date."""
    filters = RowFilters(first_day=wanted.start, last_day=wanted.end)
    return answer_page_of(
        request, RowList.CALENDAR_DAYS, listing_id, wanted.account_id, wanted, filters, raw=wanted.raw
    )
