"""The request that writes a calendar, and what Hostaway's answer to it proves."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.errors import Forbidden, NotFound, RequestRejected, SourceError, SourceUnavailable
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.platforms.hostaway.calendar import protocol

if TYPE_CHECKING:
    from hostaway_sync.model.calendar.writes import Value

NOW = datetime(2026, 11, 30, tzinfo=UTC)
ASKED = "PUT /listings/5/calendar"
DAYS = Days(date(2026, 12, 1), date(2026, 12, 31))
RANGE = {"startDate": "2026-12-01", "endDate": "2026-12-31"}


def test_request_has_both_days_and_the_written_values_only() -> None:
    """The last day itself, numbers as numbers, flags as 0 and 1."""
    assert protocol.calendar_path(5) == "/listings/5/calendar"
    assert protocol.request_body(DAYS, {"is_available": False, "note": "roof"}) == {
        **RANGE,
        "isAvailable": 0,
        "note": "roof",
    }
    assert protocol.request_body(DAYS, {"price": Decimal("120.00"), "closed_on_arrival": True}) == {
        **RANGE,
        "price": 120,
        "closedOnArrival": 1,
    }
    rules: dict[str, Value] = {
        "price": Decimal("99.50"),
        "minimum_stay": 2,
        "maximum_stay": 9,
        "closed_on_departure": False,
    }
    assert protocol.request_body(DAYS, rules) == {
        **RANGE,
        "price": 99.5,
        "minimumStay": 2,
        "maximumStay": 9,
        "closedOnDeparture": 0,
    }
    assert type(protocol.request_body(DAYS, {"price": Decimal("120.00")})["price"]) is int


@pytest.mark.parametrize(
    ("status", "has_left", "expected"),
    [
        (None, False, False),
        (None, True, True),
        (408, True, True),
        (400, True, False),
        (403, True, False),
        (429, True, False),
        (499, True, False),
        (500, True, True),
        (302, True, True),
        (200, True, True),
    ],
)
def test_only_a_refusal_proves_that_nothing_was_written(status: int | None, *, has_left: bool, expected: bool) -> None:
    """Or that the request never left."""
    assert protocol.may_be_written(status, has_left=has_left) is expected


@pytest.mark.parametrize("status", [200, 201])
def test_every_success_counts(status: int) -> None:
    """Whatever days it holds: they are read back."""
    protocol.read_answer(status, {}, b'{"status": "success", "result": []}', NOW, asked=ASKED)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"status": "fail", "message": "no"}', RequestRejected),
        (200, b'{"status": "succ', SourceUnavailable),
        (204, b"", SourceUnavailable),
        (403, b"{}", Forbidden),
        (401, b"{}", Forbidden),
        (404, b"{}", NotFound),
        (400, b"{}", RequestRejected),
        (500, b"{}", SourceUnavailable),
    ],
)
def test_other_answers_are_errors(status: int, body: bytes, kind: type[SourceError]) -> None:
    """A refused token that worked before means a missing permission."""
    with pytest.raises(kind) as raised:
        protocol.read_answer(status, {}, body, NOW, asked=ASKED)
    assert ASKED in str(raised.value)
    if kind is Forbidden:
        assert "the key may read this calendar and not write it" in str(raised.value)
