"""Rows of the views of `core`, by the records that changes name, and the columns that they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.postgres.json_values import read_exact_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

# What the source sent is in the mirrored tables; a consumer is told in the words of `core`.
_LEFT_OUT: Final = "raw_payload"
_COLUMNS: Final = sa.text(
    "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass(:place) AND attnum > 0 AND NOT attisdropped"
    " AND attname <> :left_out ORDER BY attnum".replace("::", r"\:\:")
)


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A record, as changes name it."""

    account_id: int
    resource: str
    record_id: str


@dataclass(frozen=True, slots=True)
class CoreView:
    """A view of `core`, and the column that names a record; `by_day`: the record is a day of that object."""

    name: str
    key: str
    by_day: bool = False


VIEWS: Final[Mapping[str, CoreView]] = {
    "listings": CoreView("listings", "listing_key"),
    "reservations": CoreView("reservations", "reservation_key"),
    "messages": CoreView("messages", "message_key"),
    "calendar": CoreView("calendar_days", "listing_key", by_day=True),
}
"""By the resource of a change. What is not here has no row."""


def list_columns(connection: sa.Connection, core: str, resources: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns of the rows of these resources; a resource without a view is left out."""
    found = {}
    for resource in resources:
        if resource in VIEWS:
            place = quote_identifier(core, VIEWS[resource].name)
            columns = list(connection.scalars(_COLUMNS, {"place": place, "left_out": _LEFT_OUT}))
            if columns:
                found[resource] = columns
    return found


def read_rows(
    connection: sa.Connection, core: str, source: str, records: Collection[RecordKey]
) -> dict[RecordKey, dict[str, Any]]:
    """Return the rows of records as they are now, without those that have none.

    Args:
        connection: of the transaction.
        core: the schema of the views.
        source: what keys begin with.
        records: which rows.
    """
    found: dict[RecordKey, dict[str, Any]] = {}
    for resource in sorted({record.resource for record in records} & VIEWS.keys()):
        view, wanted = VIEWS[resource], [record for record in records if record.resource == resource]
        if connection.scalar(sa.select(sa.func.to_regclass(quote_identifier(core, view.name)))) is None:
            continue
        by_key = {_key(source, record, view): record for record in wanted}
        for key, day, row in connection.execute(_query(core, view, [key for key, _ in by_key])):
            record = by_key.get((key, day))
            if record is not None:
                found[record] = read_exact_json(row)
    return found


def _query(core: str, view: CoreView, keys: list[str]) -> sa.Select[Any]:
    place = sa.table(view.name, sa.column(view.key, sa.Text), sa.column("date", sa.Date), schema=core).alias("v")
    whole = sa.func.to_jsonb(sa.literal_column("v")).op("-")(sa.literal(_LEFT_OUT, sa.Text))
    # As text: amounts keep their digits.
    row = sa.cast(whole, sa.Text)
    day = sa.cast(place.c.date, sa.Text) if view.by_day else sa.null()
    return sa.select(place.c[view.key], day, row).where(
        place.c[view.key] == sa.func.any(sa.literal(keys, sa.ARRAY(sa.Text)))
    )


def _key(source: str, record: RecordKey, view: CoreView) -> tuple[str, str | None]:
    number, _, day = record.record_id.partition("/")
    return f"{source}:{record.account_id}:{number}", day if view.by_day else None
