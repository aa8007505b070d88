"""The request that writes days of a calendar, and what Hostaway's answer to it proves (API notes, 8). Pure.

the request never left, 4xx except 408              nothing was written
2xx with `status: success`                          accepted
no whole answer, 408, 5xx, 3xx, unreadable JSON,
200 with `status: fail`                             it may have been written: the days tell
"""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import Forbidden, TokenRejected
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.http import protocol
from hostaway_sync.platforms.hostaway.parsing.calendar_days import COLUMNS
from hostaway_sync.platforms.hostaway.parsing.resources import SPECS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hostaway_sync.model.calendar.days import Days
    from hostaway_sync.model.calendar.writes import Values
    from hostaway_sync.platforms.hostaway.http.request import JsonScalar

_SUCCESS: Final = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)


def calendar_path(listing_id: int) -> str:
    """Return the path of a listing's calendar."""
    return f"{SPECS[Resource.LISTINGS].path}/{listing_id}/calendar"


def request_body(days: Days, values: Values) -> dict[str, JsonScalar]:
    """Return the JSON of the request; `endDate` is the last day itself."""
    body: dict[str, JsonScalar] = {"startDate": days.first.isoformat(), "endDate": days.last.isoformat()}
    for column, value in values.items():
        key, _ = COLUMNS[column]
        if isinstance(value, bool):
            body[key] = int(value)
        elif isinstance(value, Decimal):
            body[key] = int(value) if value == value.to_integral_value() else float(value)
        else:
            body[key] = value
    return body


def may_be_written(status: int | None, *, has_left: bool) -> bool:
    """Whether a request may have taken effect that was not answered with a success.

    Args:
        status: of the answer; None when no whole answer came.
        has_left: a byte of the request may have left.
    """
    if not has_left:
        return False
    if status is None or status == HTTPStatus.REQUEST_TIMEOUT:
        return True
    return not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def read_answer(status: int, headers: Mapping[str, str], body: bytes, now: datetime, *, asked: str) -> None:
    """Return if the answer is a success; the days in it are not used, because they are read back.

    Raises:
        Forbidden: the key may not write this calendar.
        SourceError: any other failure.
    """
    try:
        protocol.decode_result(HTTPStatus.OK if status in _SUCCESS else status, headers, body, now=now, asked=asked)
    except TokenRejected as refusal:
        # The days were read with the same token a moment ago.
        raise Forbidden(
            f"{refusal}: the key may read this calendar and not write it; check its permissions in the dashboard"
        ) from refusal
