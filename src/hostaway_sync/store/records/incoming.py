"""Received records as rows of a statement, and the rule for which of a received and a stored one is newer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.model.records import Change, Resource
from hostaway_sync.model.timestamps import WATERMARK_LAG, is_credible_stamp
from hostaway_sync.store.calendar.marks import STAY_COLUMNS
from hostaway_sync.store.records import observations
from hostaway_sync.store.tables import Timestamp, listings
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from hostaway_sync.model.records import Owner, Page, Record, Shape

# In JSON text: up to the end of the string, an escape or a space, so that the rest is still JSON.
_URL_WITH_QUERY = r'(https?://[^"\\\s?]*)\?[^"\\\s]*'
# A stamp from further ahead cannot order two readings: no later change of the row would ever count as newer.
CLOCKS_DIFFER = WATERMARK_LAG
_OF_ACCOUNT_TEXT = sa.bindparam("of_account_text", type_=sa.Text)
_KEY_PREFIX = sa.bindparam("key_prefix", type_=sa.Text)
# Of each key of `core`, the column with the id that it ends with.
_CORE_KEYS = {
    "core_key": "id",
    "core_listing_key": "listing_id",
    "core_reservation_key": "reservation_id",
    "core_conversation_key": "conversation_id",
}
OF_ACCOUNT = sa.bindparam("of_account", type_=sa.BigInteger)
ASKED_AT = sa.bindparam("asked_at", type_=Timestamp)


def build_parameters(owner: Owner, page: Page, records: Sequence[Record]) -> Mapping[str, Any]:
    """Return the parameters that `build_received_rows` turns into rows, and the others of statements about them."""
    return {
        "of_account": owner.account_id,
        "of_customer": owner.customer_id,
        "asked_at": page.observed_at,
        "asked_ats": [page.record_observed_at(record.id) for record in records],
        "ids": [record.id for record in records],
        "hashes": [record.payload_hash for record in records],
        "stamps": [_believable(record.source_updated_at, page.observed_at) for record in records],
        "payloads": [record.payload for record in records],
        "activitys": [record.activity for record in records],
        **{f"{name}s": [record.columns.get(name) for record in records] for name in page.shape.columns},
    }


def _believable(stamp: datetime | None, asked_at: datetime) -> datetime | None:
    """Return the stamp, or None for one from the future."""
    return None if stamp is None or not is_credible_stamp(stamp, asked_at) else stamp


def build_received_rows(table: sa.Table, shape: Shape) -> sa.CTE:
    """Return the query that turns the parameters, one array a column, into rows."""
    types: dict[str, tuple[str, sa.types.TypeEngine[Any]]] = {
        "id": ("ids", sa.BigInteger()),
        "asked_at": ("asked_ats", table.c.observed_at.type),
        "payload_hash": ("hashes", sa.LargeBinary()),
        "source_updated_at": ("stamps", table.c.source_updated_at.type),
        "payload": ("payloads", sa.Text()),
        **{name: (f"{name}s", table.c[name].type) for name in list_parsed_columns(table, shape)},
    }
    arrays = [sa.cast(sa.bindparam(parameter), sa.ARRAY(kind)) for parameter, kind in types.values()]
    names = [sa.column(name, kind) for name, (_, kind) in types.items()]
    rows = sa.func.unnest(*arrays).table_valued(*names, name="rows").render_derived()
    selected = [rows.c[name] for name in types if name != "payload"]
    raw_payload = sa.cast(rows.c.payload, JSONB).label("raw_payload")
    return sa.select(*selected, raw_payload).cte("incoming")


def build_core_columns(table: sa.Table, rows: Any) -> dict[str, sa.ColumnElement[Any]]:  # noqa: ANN401  (a column collection)
    """Return the columns of `core` that a statement fills in rows with these columns; triggers fill those of others.

    They would fill these as well, in six times the time: listings, which are few, are left to them.
    """
    if table is listings:
        return {}
    found: dict[str, sa.ColumnElement[Any]] = {
        "core_account_id": _OF_ACCOUNT_TEXT,
        "core_id": sa.cast(rows.id, sa.Text),
    }
    for name, column in _CORE_KEYS.items():
        if name in table.c and column in rows:
            found[name] = _KEY_PREFIX + sa.cast(rows[column], sa.Text)
    return found


def core_parameters(connection: sa.Connection, account_id: int) -> dict[str, str]:
    """Return the parameters of `build_core_columns`; the schema of the tables has the name of their source."""
    source = connection.get_execution_options()["schema_translate_map"][None]
    return {"of_account_text": str(account_id), "key_prefix": f"{source}:{account_id}:"}


def comparable_payload(payload: sa.ColumnElement[Any], shape: Shape) -> sa.ColumnElement[Any]:
    """Return a payload without what does not describe the object: volatile keys, and the queries of signed URLs."""
    hidden = [*shape.volatile, *shape.signed]
    kept: sa.ColumnElement[Any] = payload.op("-")(sa.cast(hidden, sa.ARRAY(sa.Text))) if hidden else payload
    for key in shape.signed:
        value = sa.cast(payload.op("->")(sa.literal_column(f"'{key}'")), sa.Text)
        unsigned = sa.cast(sa.func.regexp_replace(value, _URL_WITH_QUERY, r"\1", "g"), JSONB)
        kept = kept.op("||")(sa.func.jsonb_build_object(sa.literal_column(f"'{key}'"), unsigned))
    return kept


def was_asked_later(old: Any, asked_at: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:  # noqa: ANN401  (a column collection)
    """Whether an answer was requested after the row's own; a row from the future counts as older."""
    return sa.func.coalesce(null_if_unknown(old.observed_at) < asked_at, sa.true())


def is_newer(shape: Shape, new: Any, old: Any, asked_later: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:  # noqa: ANN401  (two column collections)
    """Whether a received record may replace its row.

    The source's stamp decides; where it cannot, the later request does. A row that is gone comes back with any answer
    that is newer than the proof: the source has it again, even with an earlier stamp.
    """
    if not shape.is_ordered_by_stamp:
        return asked_later
    undecided = sa.or_(
        new.source_updated_at == old.source_updated_at,
        new.source_updated_at.is_(None),
        old.source_updated_at.is_(None),
        old.missing_since.is_not(None),
    )
    return sa.case(
        (undecided, asked_later),
        else_=sa.func.coalesce(new.source_updated_at > old.source_updated_at, sa.false()),
    )


def build_changes(table: sa.Table, shape: Shape, incoming: sa.CTE, *, locking: bool) -> sa.CTE:
    """Return the query that decides, row by row, the change that each received record makes."""
    asked_later = sa.and_(
        was_asked_later(table.c, incoming.c.asked_at),
        ~observations.was_seen_after(table, shape.resource, OF_ACCOUNT, incoming.c.asked_at),
    )
    stays = STAY_COLUMNS if shape.resource is Resource.RESERVATIONS else ()
    joined = (
        sa.select(
            table.c.id,
            *(table.c[name].label(f"old_{name}") for name in stays),
            table.c.missing_since.is_not(None).label("was_missing"),
            asked_later.label("was_asked_later"),
            is_newer(shape, incoming.c, table.c, asked_later).label("is_newer"),
            (comparable_payload(table.c.raw_payload, shape) == comparable_payload(incoming.c.raw_payload, shape)).label(
                "is_same"
            ),
        )
        .join_from(table, incoming, table.c.id == incoming.c.id)
        .where(table.c.account_id == OF_ACCOUNT)
        .order_by(table.c.id)
    )
    old = (joined.with_for_update(of=table) if locking else joined).cte("old")
    change = sa.case(
        (old.c.id.is_(None), sa.literal_column(f"'{Change.INSERTED}'")),
        (sa.and_(old.c.is_same, ~old.c.was_missing), sa.literal_column(f"'{Change.UNCHANGED}'")),
        (~old.c.is_newer, sa.literal_column(f"'{Change.STALE}'")),
        else_=sa.literal_column(f"'{Change.UPDATED}'"),
    )
    # The record was requested later, and only its stamp makes it older.
    went_back = sa.and_(~old.c.is_same, ~old.c.is_newer, old.c.was_asked_later)
    return (
        sa.select(
            incoming,
            *(old.c[f"old_{name}"] for name in stays),
            old.c.was_missing,
            change.label("change"),
            old.c.is_newer,
            sa.func.coalesce(went_back, sa.false()).label("went_back"),
        )
        .select_from(incoming.outerjoin(old, old.c.id == incoming.c.id))
        .cte("changes")
    )


def list_parsed_columns(table: sa.Table, shape: Shape) -> tuple[str, ...]:
    """Return the columns that are read out of a payload."""
    return (*shape.columns, "activity") if "activity" in table.c else shape.columns
