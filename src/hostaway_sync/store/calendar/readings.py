"""How the calendar of each listing was read last, and which listings have days to read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH, insert

from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.store.tables import calendar_due, calendar_readings, listings
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.sql.base import Executable

    from hostaway_sync.store.postgres.database import Database


def find_readings(
    database: Database, account_id: int, archived: Mapping[str, str], links: Collection[Sequence[str]] = ()
) -> tuple[list[ListingReading], datetime]:
    """Return how the calendar of each live listing was read last, by id, and now, by the database's clock.

    Args:
        database: with the tables.
        account_id: whose listings.
        archived: the values of payload keys, in lower case, that a listing has when it is archived.
        links: paths in a listing's payload to the ids of listings that are linked with it.
    """
    query = (
        _select_readings(account_id, archived, links).where(listings.c.missing_since.is_(None)).order_by(listings.c.id)
    )
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


def _select_readings(
    account_id: int, archived: Mapping[str, str], links: Collection[Sequence[str]] = ()
) -> sa.Select[Any]:
    reading, mark = calendar_readings.c, calendar_due.c
    is_archived = sa.or_(
        sa.false(),
        *(sa.func.lower(listings.c.raw_payload.op("->>")(key)) == value for key, value in archived.items()),
    )
    linked: sa.ColumnElement[Any] = sa.literal([], JSONB)
    for path in links:
        linked = linked.op("||", return_type=JSONB())(_select_values(path))
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
            linked.label("linked"),
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
        linked=frozenset(int(value) for value in row.linked if _is_id(value)),
    )


def _select_values(path: Sequence[str]) -> sa.ColumnElement[Any]:
    """Return the values that a path in a listing's payload leads to, through objects and lists."""
    steps = "[*]".join(f".{json.dumps(key)}" for key in path)
    return sa.func.jsonb_path_query_array(listings.c.raw_payload, sa.cast(f"${steps}", JSONPATH), type_=JSONB)


def _is_id(value: object) -> bool:
    """Whether a value is an id, as a number or as text."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value.isdecimal())


def lock_reading(
    connection: sa.Connection,
    account_id: int,
    listing_id: int,
    asked_at: datetime,
    *,
    whole: ListingReading | None = None,
) -> bool:
    """Lock the calendar of a listing until the transaction ends, and claim it for an answer.

    Args:
        connection: its transaction stores the answer.
        account_id: whose listing.
        listing_id: which listing.
        asked_at: when the answer was asked for.
        whole: stored as well, where the answer ends a reading of all days; see `record_whole_reading`.

    Returns:
        Whether the answer may be stored: False when one that was asked for later was stored before.
    """
    parameters = {"account_id": account_id, "listing_id": listing_id, "asked_at": asked_at}
    if whole is not None:
        parameters |= _list_values(whole)
    return connection.execute(_CLAIM if whole is None else _CLAIM_WHOLE, parameters).first() is not None


def record_whole_reading(connection: sa.Connection, account_id: int, reading: ListingReading) -> None:
    """Store when all days of a listing were read, and when they are to be read again."""
    connection.execute(
        sa.update(calendar_readings)
        .where(calendar_readings.c.account_id == account_id, calendar_readings.c.listing_id == reading.listing_id)
        .values(_list_values(reading))
    )


def _list_values(reading: ListingReading) -> dict[str, Any]:
    return {name: getattr(reading, name) for name in _OF_WHOLE_READING}


def _build_claim(*also: str) -> Executable:
    """Build the statement once: it takes longer to build than to run."""
    reading = calendar_readings
    names = ("account_id", "listing_id", "asked_at", *also)
    statement = insert(reading).values({name: sa.bindparam(name, type_=reading.c[name].type) for name in names})
    new = statement.excluded
    is_newest = sa.func.coalesce(null_if_unknown(reading.c.asked_at) <= new.asked_at, sa.true())
    return statement.on_conflict_do_update(
        index_elements=["account_id", "listing_id"],
        set_={"refused_at": None, "error": None, **{name: new[name] for name in ("asked_at", *also)}},
        where=is_newest,
    ).returning(reading.c.listing_id)


_OF_WHOLE_READING: Final = ("read_at", "rota_at", "known_until", "short_count", "missing_days")
_CLAIM: Final = _build_claim()
_CLAIM_WHOLE: Final = _build_claim(*_OF_WHOLE_READING)


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
