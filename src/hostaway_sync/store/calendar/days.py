"""Rows of days: only what really changed is written, and no day is deleted because an answer lacks it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by, insert

from hostaway_sync.model.records import Change
from hostaway_sync.store.privacy import payload_rule
from hostaway_sync.store.tables import Timestamp, calendar_days

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from hostaway_sync.model.calendar.days import CalendarDay, Days
    from hostaway_sync.model.records import Owner

PARSED = (
    "is_available",
    "status",
    "price",
    "minimum_stay",
    "maximum_stay",
    "closed_on_arrival",
    "closed_on_departure",
    "available_units",
    "note",
)
_OF_ACCOUNT = sa.bindparam("of_account", type_=sa.BigInteger)
_OF_CUSTOMER = sa.bindparam("of_customer", type_=sa.Uuid)
_OF_LISTING = sa.bindparam("of_listing", type_=sa.BigInteger)
_ASKED_AT = sa.bindparam("asked_at", type_=Timestamp)


def compare_days(
    connection: sa.Connection, account_id: int, listing_id: int, days: Sequence[CalendarDay]
) -> dict[date, Change]:
    """Return what storing each of these days would change."""
    if not days:
        return {}
    stored = read_hashes(connection, account_id, listing_id, days[0].date, days[-1].date)
    return {day.date: _compare(stored.get(day.date), day) for day in days}


def store_days(
    connection: sa.Connection, owner: Owner, listing_id: int, days: Sequence[CalendarDay], asked_at: datetime
) -> tuple[Counter[Change], int]:
    """Write the days that differ from their rows; return how many of each change, and values that fit no column.

    Args:
        connection: its transaction holds the lock of the listing's reading; see `readings.lock_reading`.
        owner: of the rows.
        listing_id: whose days.
        days: ascending, each once.
        asked_at: when they were asked for; no newer answer was stored before.
    """
    if are_equal(connection, owner.account_id, listing_id, days):
        return Counter({Change.UNCHANGED: len(days)}), 0
    changes = compare_days(connection, owner.account_id, listing_id, days)
    changed = [day for day in days if changes[day.date] is not Change.UNCHANGED]
    if not changed:
        return Counter(changes.values()), 0
    written, misfits = write_days(connection, owner, listing_id, changed, asked_at)
    counts = Counter(changes.values())
    # Days whose hash alone differs, as after a rewriting by a rule of redaction.
    counts[Change.UNCHANGED] += len(changed) - written
    counts[Change.UPDATED] -= len(changed) - written
    return counts, misfits


def write_days(
    connection: sa.Connection, owner: Owner, listing_id: int, changed: Sequence[CalendarDay], asked_at: datetime
) -> tuple[int, int]:
    """Write these days over their rows; return how many rows are not as before, and how many values fit no column."""
    payload_rule.guard_days(connection, (day.payload_hash for day in changed))
    contents = [day.read() for day in changed]
    source = connection.get_execution_options()["schema_translate_map"][None]
    parameters = {
        "of_account": owner.account_id,
        "of_customer": owner.customer_id,
        "of_listing": listing_id,
        "asked_at": asked_at,
        # The schema of the tables has the name of their source.
        "of_account_text": str(owner.account_id),
        "of_listing_key": f"{source}:{owner.account_id}:{listing_id}",
        "dates": [day.date for day in changed],
        "hashes": [day.payload_hash for day in changed],
        "payloads": [content.payload for content in contents],
        **{name: [content.columns.get(name) for content in contents] for name in PARSED},
    }
    written: int = connection.execute(_UPSERT, parameters).scalar_one()
    return written, sum(content.misfits for content in contents)


def are_equal(connection: sa.Connection, account_id: int, listing_id: int, days: Sequence[CalendarDay]) -> bool:
    """Whether days in a row all equal their rows; the server sends one value and not a row a day."""
    if not days or (days[-1].date - days[0].date).days + 1 != len(days):
        return False
    parameters = {
        "of_account": account_id,
        "of_listing": listing_id,
        "first": days[0].date,
        "last": days[-1].date,
        "amount": len(days),
    }
    stored = connection.scalar(_JOINED_HASHES, parameters)
    return stored is not None and bytes(stored) == b"".join(day.payload_hash for day in days)


def read_hashes(
    connection: sa.Connection, account_id: int, listing_id: int, first: date, last: date
) -> dict[date, bytes]:
    """Return the hash of each stored day of a listing from `first` to `last`."""
    query = sa.select(calendar_days.c.date, calendar_days.c.payload_hash).where(
        calendar_days.c.account_id == account_id,
        calendar_days.c.listing_id == listing_id,
        calendar_days.c.date.between(first, last),
    )
    return {row.date: bytes(row.payload_hash) for row in connection.execute(query)}


def count_days(connection: sa.Connection, account_id: int, listing_id: int, days: Days) -> int:
    """Count the stored days of a listing within a stretch."""
    return len(read_hashes(connection, account_id, listing_id, days.first, days.last))


def _compare(stored: bytes | None, day: CalendarDay) -> Change:
    if stored is None:
        return Change.INSERTED
    return Change.UNCHANGED if stored == day.payload_hash else Change.UPDATED


def _build_upsert() -> sa.Select[int]:
    types: dict[str, tuple[str, sa.types.TypeEngine[Any]]] = {
        "date": ("dates", sa.Date()),
        "payload_hash": ("hashes", sa.LargeBinary()),
        "payload": ("payloads", sa.Text()),
        **{name: (name, calendar_days.c[name].type) for name in PARSED},
    }
    arrays = (sa.cast(sa.bindparam(parameter), sa.ARRAY(kind)) for parameter, kind in types.values())
    names = (sa.column(name, kind) for name, (_, kind) in types.items())
    rows = sa.func.unnest(*arrays).table_valued(*names, name="received").render_derived()
    filled = ["date", "payload_hash", *PARSED]
    selected = sa.select(
        _OF_ACCOUNT,
        _OF_LISTING,
        _OF_CUSTOMER,
        _ASKED_AT,
        *(rows.c[name] for name in filled),
        sa.cast(rows.c.payload, JSONB),
        sa.bindparam("of_account_text", type_=sa.Text),
        sa.bindparam("of_listing_key", type_=sa.Text),
    )
    core = ["core_account_id", "core_listing_key"]
    target = ["account_id", "listing_id", "customer_id", "observed_at", *filled, "raw_payload", *core]
    statement = insert(calendar_days).from_select(target, selected)
    kept = {"account_id", "listing_id", "date", *core}
    written = {name: statement.excluded[name] for name in target if name not in kept}
    is_equal = calendar_days.c.raw_payload == statement.excluded.raw_payload
    updated_at = sa.case((is_equal, calendar_days.c.updated_at), else_=sa.func.now())
    upsert = statement.on_conflict_do_update(
        index_elements=["account_id", "listing_id", "date"], set_={**written, "updated_at": updated_at}
    )
    rows_written = upsert.returning(calendar_days.c.updated_at).cte("written")
    return sa.select(sa.func.count().filter(rows_written.c.updated_at == sa.func.now())).select_from(rows_written)


# NULL where a day has no row.
_JOINED_HASHES = (
    sa.select(
        sa.func.string_agg(
            calendar_days.c.payload_hash, aggregate_order_by(sa.literal(b"", sa.LargeBinary), calendar_days.c.date)
        )
    )
    .where(
        calendar_days.c.account_id == _OF_ACCOUNT,
        calendar_days.c.listing_id == _OF_LISTING,
        calendar_days.c.date.between(sa.bindparam("first", type_=sa.Date), sa.bindparam("last", type_=sa.Date)),
    )
    .having(sa.func.count() == sa.bindparam("amount", type_=sa.BigInteger))
)
_UPSERT = _build_upsert()
