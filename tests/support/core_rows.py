"""Listings, stays and calendar days of account 1, for tests of the views of `core`."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.sql import execute

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database


def add_listing(database: Database, listing_id: int, missing_since: str | None = None, **payload: Any) -> None:
    """Store a listing made in 2024, with these keys of its payload."""
    execute(
        database,
        "INSERT INTO listings (account_id, id, observed_at, missing_since, payload_hash, raw_payload)"
        " VALUES (1, :id, now(), CAST(:missing AS timestamptz), '', CAST(:payload AS jsonb))",
        id=listing_id,
        missing=missing_since,
        payload=json.dumps({"insertedOn": "2024-01-01 00:00:00", "currencyCode": "EUR"} | payload),
    )


def add_stay(
    database: Database,
    reservation_id: int,
    listing_id: int,
    nights: tuple[str, str],
    status: str = "new",
    missing_since: str | None = None,
    **payload: Any,
) -> None:
    """Store a reservation; `nights` are the dates of arrival and departure."""
    arrival, departure = nights
    execute(
        database,
        "INSERT INTO reservations (account_id, id, listing_id, channel_id, status, arrival_date, departure_date,"
        " observed_at, missing_since, payload_hash, raw_payload) VALUES (1, :id, :listing, 2018, :status,"
        " CAST(:arrival AS date), CAST(:departure AS date), now(), CAST(:missing AS timestamptz), '',"
        " CAST(:payload AS jsonb))",
        id=reservation_id,
        listing=listing_id,
        status=status,
        arrival=arrival,
        departure=departure,
        missing=missing_since,
        payload=json.dumps(payload),
    )


def add_days(database: Database, listing_id: int, first: str, last: str, status: str = "blocked") -> None:
    """Store the days from `first` to `last` of a calendar."""
    execute(
        database,
        "INSERT INTO calendar_days (account_id, listing_id, date, is_available, status, observed_at, payload_hash,"
        " raw_payload) SELECT 1, :listing, day, :status = 'available', :status, now(), '', '{}'"
        " FROM generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') AS day",
        listing=listing_id,
        status=status,
        first=first,
        last=last,
    )


def days(first: str, count: int) -> list[date]:
    """Return so many days from `first` on."""
    start = date.fromisoformat(first)
    return [start + timedelta(days=number) for number in range(count)]
