"""Values that GraphQL has no type for, as the other answers of the API have them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, NewType

import strawberry

Date = NewType("Date", dt.date)
DateTime = NewType("DateTime", dt.datetime)
Time = NewType("Time", str)
Uuid = NewType("Uuid", str)
Decimal = NewType("Decimal", str)
BigInt = NewType("BigInt", int)
Json = NewType("Json", object)


def _parse_date(value: object) -> dt.date:
    try:
        return dt.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("a day is written as 2026-05-31") from None


def _parse_moment(value: object) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("a moment is written as 2026-05-31T12:00:00Z")
    return moment


SCALARS: Final[dict[object, Any]] = {
    Date: strawberry.scalar(name="Date", description="A day, as `2026-05-31`.", parse_value=_parse_date),
    DateTime: strawberry.scalar(
        name="DateTime", description="A moment in UTC, as ISO 8601 has it.", parse_value=_parse_moment
    ),
    Time: strawberry.scalar(name="Time", description="A time of the day, as `15:00:00`."),
    Uuid: strawberry.scalar(name="UUID", description="A UUID, as text."),
    Decimal: strawberry.scalar(name="Decimal", description="A number with all its digits: read it as a decimal."),
    BigInt: strawberry.scalar(name="BigInt", description="A whole number of up to 64 bits."),
    Json: strawberry.scalar(name="JSON", description="Any JSON."),
}

BY_TYPE: Final[dict[str, Any]] = {
    "text": str,
    "uuid": Uuid,
    "timestamp with time zone": DateTime,
    "date": Date,
    "time without time zone": Time,
    "integer": int,
    "bigint": BigInt,
    "numeric": Decimal,
    "double precision": Decimal,
    "boolean": bool,
    "text[]": list[str],
    "jsonb": Json,
}
"""What the values of columns are, by their type in PostgreSQL."""
