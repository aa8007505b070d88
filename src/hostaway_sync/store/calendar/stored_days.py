"""Days of a listing for a reader: what is stored, without payloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.calendar.listing_calendar import ListingFacts, StoredDay
from hostaway_sync.store.tables import calendar_days, listings

if TYPE_CHECKING:
    from datetime import date

    from hostaway_sync.model.calendar.days import Days
    from hostaway_sync.model.vocabulary import Vocabulary


def find_listings(
    connection: sa.Connection, listing_id: int, words: Vocabulary, *, account_id: int | None = None
) -> list[ListingFacts]:
    """Return the listings with this id, one an account; with `account_id`, that of this account alone."""
    payload = listings.c.raw_payload
    query = (
        sa.select(
            listings.c.account_id,
            listings.c.missing_since,
            payload[words.listing_name_key].as_string().label("name"),
            payload[words.currency_key].as_string().label("currency"),
            payload[words.time_zone_key].as_string().label("time_zone"),
        )
        .where(listings.c.id == listing_id, *([listings.c.account_id == account_id] if account_id else []))
        .order_by(listings.c.account_id)
    )
    return [
        ListingFacts(row.account_id, listing_id, row.name, row.currency, row.time_zone, row.missing_since)
        for row in connection.execute(query)
    ]


def read_days(connection: sa.Connection, account_id: int, listing_id: int, days: Days) -> dict[date, StoredDay]:
    """Return the stored days of a listing within a range."""
    column = calendar_days.c
    query = sa.select(
        column.date,
        column.is_available,
        column.status,
        column.price,
        column.minimum_stay,
        column.maximum_stay,
        column.closed_on_arrival,
        column.closed_on_departure,
        column.available_units,
        column.note,
    ).where(
        column.account_id == account_id,
        column.listing_id == listing_id,
        column.date.between(days.first, days.last),
    )
    return {row.date: StoredDay(**row._mapping) for row in connection.execute(query)}  # noqa: SLF001  (its public name)
