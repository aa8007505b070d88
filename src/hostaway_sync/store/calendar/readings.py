"""How the calendar of each listing was read last, and which listings have days to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.store.tables import calendar_due, calendar_readings, listings
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from hostaway_sync.store.postgres.database import Database


def find_readings(
    database: Database, account_id: int, archived: Mapping[str, str]
) -> tuple[list[ListingReading], datetime]:
    """Return how the calendar of each live listing was read last, by id, and now, by the database's clock.

    Args:
        database: with the tables.
        account_id: whose listings.
        archived: the values of payload keys, in lower case, that a listing has when it is archived.
    """
    query = _select_readings(account_id, archived).where(listings.c.missing_since.is_(None)).order_by(listings.c.id)
    rows, now = database.transaction(
        lambda connection: (connection.execute(query).all(), connection.scalars(sa.select(sa.func.now())).one())
    )
    return [_as_reading(row) for row in rows], now


def read_reading(
    connection: sa.Connection, account_id: int, listing_id: int, archived: Mapping[str, str]
) -> ListingReading:
    """Return how the calendar of one listing was read last, whether or not the source still lists it."""
    query = _select_readings(account_id, archived).where(listings.c.id == listing_id)
    row = connection.execute(query).first()
    return ListingReading(listing_id) if row is None else _as_reading(row)


def _select_readings(account_id: int, archived: Mapping[str, str]) -> sa.Select[Any]:
    reading, mark = calendar_readings.c, calendar_due.c
    is_archived = sa.or_(
        sa.false(),
        *(sa.func.lower(listings.c.raw_payload.op("->>")(key)) == value for key, value in archived.items()),
    )
    return (
        sa.select(
            listings.c.id,
            sa.func.coalesce(is_archived, sa.false()).label("is_archived"),
            null_if_unknown(reading.read_at).label("read_at"),
            reading.rota_at,
            reading.known_until,
            sa.func.coalesce(reading.short_count, 0).label("short_count"),
            sa.func.coalesce(reading.missing_days, 0).label("missing_days"),
            null_if_unknown(reading.refused_at).label("refused_at"),
            mark.first_day,
            mark.last_day,
        )
        .join_from(
            listings,
            calendar_readings,
            sa.and_(reading.account_id == listings.c.account_id, reading.listing_id == listings.c.id),
            isouter=True,
        )
        .join(
            calendar_due,
            sa.and_(mark.account_id == listings.c.account_id, mark.listing_id == listings.c.id),
            isouter=True,
        )
        .where(listings.c.account_id == account_id)
    )


def _as_reading(row: sa.Row[Any]) -> ListingReading:
    return ListingReading(
        listing_id=row.id,
        is_archived=row.is_archived,
        read_at=row.read_at,
        rota_at=row.rota_at,
        known_until=row.known_until,
        short_count=row.short_count,
        missing_days=row.missing_days,
        refused_at=row.refused_at,
        due=None if row.first_day is None else Days(row.first_day, row.last_day),
    )


def lock_reading(connection: sa.Connection, account_id: int, listing_id: int, asked_at: datetime) -> bool:
    """Lock the calendar of a listing until the transaction ends, and claim it for an answer.

    Returns:
        Whether the answer may be stored: False when one that was asked for later was stored before.
    """
    reading = calendar_readings
    statement = insert(reading).values(account_id=account_id, listing_id=listing_id, asked_at=asked_at)
    is_newest = sa.func.coalesce(null_if_unknown(reading.c.asked_at) <= asked_at, sa.true())
    claimed = statement.on_conflict_do_update(
        index_elements=["account_id", "listing_id"],
        set_={"asked_at": statement.excluded.asked_at, "refused_at": None, "error": None},
        where=is_newest,
    ).returning(reading.c.listing_id)
    return connection.execute(claimed).first() is not None


def record_whole_reading(connection: sa.Connection, account_id: int, reading: ListingReading) -> None:
    """Store when all days of a listing were read, and when they are to be read again."""
    connection.execute(
        sa.update(calendar_readings)
        .where(calendar_readings.c.account_id == account_id, calendar_readings.c.listing_id == reading.listing_id)
        .values(
            read_at=reading.read_at,
            rota_at=reading.rota_at,
            known_until=reading.known_until,
            short_count=reading.short_count,
            missing_days=reading.missing_days,
        )
    )


def record_refusal(
    connection: sa.Connection, account_id: int, listing_id: int, refusal: str, rota_at: datetime
) -> None:
    """Store that the source refused a calendar; it is asked for again at `rota_at`, and its mark is cleared."""
    values = {"refused_at": sa.func.now(), "error": refusal, "rota_at": rota_at}
    statement = insert(calendar_readings).values(account_id=account_id, listing_id=listing_id, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["account_id", "listing_id"], set_=values))
    connection.execute(
        sa.delete(calendar_due).where(calendar_due.c.account_id == account_id, calendar_due.c.listing_id == listing_id)
    )
