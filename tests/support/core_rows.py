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


def add_conversation(
    database: Database, conversation_id: int, reservation_id: int | None = None, missing_since: str | None = None
) -> None:
    """Store a conversation about listing 10."""
    execute(
        database,
        "INSERT INTO conversations (account_id, id, reservation_id, listing_id, observed_at, missing_since,"
        " payload_hash, raw_payload) VALUES (1, :id, :reservation, 10, now(), CAST(:missing AS timestamptz), '', '{}')",
        id=conversation_id,
        reservation=reservation_id,
        missing=missing_since,
    )


def add_message(
    database: Database,
    message_id: int,
    conversation_id: int,
    minutes_ago: int,
    *,
    is_incoming: bool = True,
    status: str = "sent",
    **payload: Any,
) -> None:
    """Store a message of a conversation, of so many minutes ago."""
    execute(
        database,
        "INSERT INTO conversation_messages (account_id, id, conversation_id, is_incoming, status, sent_at, observed_at,"
        " payload_hash, raw_payload) VALUES (1, :id, :conversation, :incoming, :status,"
        " now() - CAST(:ago AS interval), now(), '', CAST(:payload AS jsonb))",
        id=message_id,
        conversation=conversation_id,
        incoming=is_incoming,
        status=status,
        ago=f"{minutes_ago} minutes",
        payload=json.dumps(payload),
    )
