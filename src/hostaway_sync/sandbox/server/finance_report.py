"""`/finance/report/consolidated`: a POST that only reads, a row a reservation of a window (resource notes, 4)."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.sandbox.rows.phrases import quote
from hostaway_sync.sandbox.seed.timestamps import parse_day
from hostaway_sync.sandbox.server.request import Reply, failure_reply, success_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.sandbox.rows.resources.kind import Payload
    from hostaway_sync.sandbox.server.account import Account
    from hostaway_sync.sandbox.server.request import Request
    from hostaway_sync.sandbox.world.world import World

_DATES: Final = ("arrivalDate", "departureDate", "reservationDate")
_LISTS: Final = {"listingMapIds": "listingMapId", "channelIds": "channelId", "statuses": "status"}
_COLUMNS: Final = (
    ("id", "Reservation ID", "number"),
    ("listingMapId", "Listing ID", "number"),
    ("channelName", "Channel", "text"),
    ("guestName", "Guest", "text"),
    ("arrivalDate", "Check-in", "date"),
    ("departureDate", "Check-out", "date"),
    ("totalPrice", "Total price", "price"),
    ("cleaningFee", "Cleaning fee", "price"),
)


def consolidated_report(account: Account, request: Request) -> Reply:
    """Answer columns, those of formulas last, rows by position and totals; CSV unless JSON is asked for."""
    world, form = account.world, request.form()
    first, last = parse_day(form.get("fromDate")), parse_day(form.get("toDate"))
    if first is None or last is None:
        return failure_reply(400, "fromDate and toDate are required", world.switches)
    formulas = list(world.objects("finance_custom_formulas").values())
    rows = [_row(payload, len(formulas)) for payload in _chosen(world, request, (first, last))]
    columns = [*_COLUMNS, *((f"customFormula_{formula['id']}", formula["name"], "price") for formula in formulas)]
    sort = next((place for place, (name, *_) in enumerate(columns) if name == form.get("sortBy")), 0)
    rows.sort(key=lambda row: (str(row[sort] or ""), row[0]), reverse=form.get("sortOrder") == "desc")
    totals: list[object] = ["Totals", *(None for _ in _COLUMNS[1:-2])]
    totals += [round(sum(row[place] or 0 for row in rows), 2) for place in range(len(totals), len(columns))]
    if form.get("format") != "json":
        return _as_csv([[title for _, title, _ in columns], *rows, totals])
    names = ("name", "title", "valueType")
    titled = [dict(zip(names, column, strict=True)) for column in columns]
    return success_reply(quote({"columns": titled, "rows": rows, "totals": totals, "currency": None}).encode())


def _chosen(world: World, request: Request, window: tuple[int, int]) -> Iterator[Payload]:
    date = request.form().get("dateType", "")
    date = date if date in _DATES else "arrivalDate"
    wanted = {key: request.form_values(name) for name, key in _LISTS.items()}
    for _, number in world.reservation_order:
        payload: Payload = world.reservation(number) if number > 0 else {}
        day = parse_day(str(payload.get(date) or "")[:10])
        is_inside = day is not None and window[0] <= day <= window[1]
        if is_inside and all(not values or str(payload[key]) in values for key, values in wanted.items()):
            yield payload


def _row(payload: Payload, formulas: int) -> list[Any]:
    price = payload["totalPrice"] or 0
    return [*(payload.get(name) for name, _, _ in _COLUMNS), *(round(price * 0.8, 2) for _ in range(formulas))]


def _as_csv(lines: list[list[Any]]) -> Reply:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return Reply(body=text.getvalue().encode(), content_type="text/csv")
