"""One reservation with its life and its messages; the calendar of one listing; what finds them."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.page.session import PageRoute, read_number, redirect, show, shown_to
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.rows import mirror_of
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.listing_calendar import ListingCalendar, StoredDay
from hostaway_sync.model.callers import Scope
from hostaway_sync.model.rows.lists import Part, RowList

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_LONGEST_ID = 200
_MONTHS = 3


@router.get("/find")
@shown_to(Scope.READ)
def find_object(request: Request) -> Response:
    """Lead to the reservation or the listing of an id."""
    text = request.query_params.get("id", "").strip()[:_LONGEST_ID]
    rows, access = mirror_of(request).rows, request.state.caller.access
    for of, place in ((RowList.RESERVATIONS, "reservations"), (RowList.LISTINGS, "calendar")):
        if text and rows.find_row(access, of, text) is not None:
            return redirect(f"/{place}/{quote(text, safe=':')}")
    detail = (
        "No reservation and no listing of your accounts has this id."
        if text
        else "Type the id of a reservation or listing."
    )
    raise Problem(ProblemKind.NOT_FOUND, detail)


@router.get("/reservations/{reservation_id}")
@shown_to(Scope.READ)
def show_reservation(request: Request, reservation_id: str) -> Response:
    """Show a reservation, its life as a timeline, and its messages."""
    found = mirror_of(request).rows.find_row(
        request.state.caller.access,
        RowList.RESERVATIONS,
        reservation_id[:_LONGEST_ID],
        account_id=read_number(request.query_params.get("account", "")),
        include=frozenset(Part),
    )
    if found is None:
        raise Problem(ProblemKind.NOT_FOUND)
    days = [(day, list(events)) for day, events in groupby(found.history or (), lambda event: event.at.date())]
    messages = sorted(found.messages.items if found.messages else (), key=lambda row: row["sent_at"] or "")
    return show(
        request,
        "reservation.html",
        row=found.row,
        account_id=found.account_id,
        listing=found.listing,
        days=days,
        messages=messages,
        now=datetime.now(UTC),
    )


@router.get("/calendar/{listing_id}")
@shown_to(Scope.READ)
def show_calendar(request: Request, listing_id: str) -> Response:
    """Show the days of a listing, a grid a month."""
    mirror, access = mirror_of(request), request.state.caller.access
    found = mirror.rows.find_row(access, RowList.LISTINGS, listing_id[:_LONGEST_ID])
    if found is None:
        raise Problem(ProblemKind.NOT_FOUND)
    now = datetime.now(UTC)
    first = _month_of(request.query_params.get("from", ""), now.date())
    days = Days(first, _add_months(first, _MONTHS) - timedelta(days=1))
    shown = mirror.calendar.read_listing(int(found.row["listing_id"]), days, account_id=found.account_id)
    return show(
        request,
        "calendar.html",
        row=found.row,
        months=list(arrange_months(shown)),
        reading=shown.reading,
        currency=shown.listing.currency or "",
        earlier=_add_months(first, -_MONTHS),
        later=_add_months(first, _MONTHS),
        today=now.date(),
        now=now,
    )


def arrange_months(shown: ListingCalendar) -> list[dict[str, Any]]:
    """Return the months of a calendar, each with its weeks from Monday; a place without a day of it is None."""
    months = []
    for (year, month), of_month in groupby(shown.days, lambda day: (day.date.year, day.date.month)):
        days = [_cell(shown, day) for day in of_month]
        places = [None] * days[0]["date"].weekday() + days
        places += [None] * (-len(places) % 7)
        weeks = [places[start : start + 7] for start in range(0, len(places), 7)]
        months.append({"name": f"{calendar.month_name[month]} {year}", "weeks": weeks})
    return months


def _cell(shown: ListingCalendar, day: StoredDay) -> dict[str, Any]:
    words = [f"{day.date:%A} {day.date}: {shown.state(day)}"]
    if day.price is not None:
        words.append(f"{day.price:,.0f} {shown.listing.currency or ''}".strip())
    if day.minimum_stay:
        words.append(f"at least {day.minimum_stay} nights" if day.minimum_stay > 1 else "at least 1 night")
    words += ["no arrival"] if day.closed_on_arrival else []
    words += ["no departure"] if day.closed_on_departure else []
    return {
        "date": day.date,
        "state": str(shown.state(day)),
        "price": None if day.price is None else f"{day.price:,.0f}",
        "says": ", ".join(words),
    }


def _month_of(text: str, today: date) -> date:
    """Return the first day of a month such as `2026-05`; of today's where the text is none."""
    try:
        chosen = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        chosen = today
    near = 2000 <= chosen.year <= 2100  # noqa: PLR2004  (further away there is no calendar)
    return (chosen if near else today).replace(day=1)


def _add_months(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)
