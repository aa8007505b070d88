"""The rewriting of days of calendars, and of objects of the other kinds, that were stored under another rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.model.redaction import MARK_BYTES
from hostaway_sync.store.postgres import change_settings
from hostaway_sync.store.tables import OWN_TABLES, calendar_days, resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.redaction import Redactor


@dataclass(frozen=True, slots=True)
class Objects:
    """The rows to rewrite.

    Attributes:
        table: that they are in.
        key: its primary key, but for what is the same in all of them.
        which: the conditions of the rows; empty: all of the table.
    """

    table: sa.Table
    key: tuple[sa.Column[Any], ...]
    which: tuple[sa.ColumnElement[bool], ...] = ()


DAYS = Objects(calendar_days, (calendar_days.c.account_id, calendar_days.c.listing_id, calendar_days.c.date))


def objects_of(kind: str) -> Objects:
    """Return the rows of a kind, in its own table or in that of all others."""
    if kind in OWN_TABLES:
        table = OWN_TABLES[kind]
        return Objects(table, (table.c.account_id, table.c.id))
    return Objects(resources, (resources.c.account_id, resources.c.source_id), (resources.c.kind == kind,))


def rewrite_objects(
    connection: sa.Connection,
    after: tuple[Any, ...] | None,
    *,
    objects: Objects,
    redactor: Redactor,
    mark: bytes,
    keys: Mapping[str, str],
    limit: int,
) -> tuple[int, tuple[Any, ...] | None]:
    """Hide fields in some rows that follow another rule; return how many, and the key of the last (None: none).

    Args:
        connection: its transaction rewrites them.
        after: the key of the last row of the batch before.
        objects: the rows.
        redactor: of their payloads.
        mark: the first bytes of the hash of rows that need no rewriting.
        keys: the payload key of each typed column.
        limit: most rows in a batch.
    """
    change_settings.silence_changes(connection)
    row, key = objects.table.c, objects.key
    query = sa.select(*key, sa.cast(row.raw_payload, sa.Text).label("payload")).where(
        sa.func.substring(row.payload_hash, 1, MARK_BYTES) != sa.literal(mark, sa.LargeBinary), *objects.which
    )
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
    found = connection.execute(query.order_by(*key).limit(limit).with_for_update()).all()
    if not found:
        return 0, None
    columns = [sa.cast([one[number] for one in found], sa.ARRAY(part.type)) for number, part in enumerate(key)]
    columns.append(sa.cast([redactor.redact(one.payload) for one in found], sa.ARRAY(sa.Text)))
    names = (*(sa.column(part.name, part.type) for part in key), sa.column("payload", sa.Text))
    new = sa.func.unnest(*columns).table_valued(*names, name="new").render_derived()
    payload = sa.cast(new.c.payload, row.raw_payload.type)
    # The received bytes are unknown by now: the next reading compares the payloads, and stores the hash again.
    values = {
        "raw_payload": payload,
        "payload_hash": sa.literal(mark, sa.LargeBinary),
        "updated_at": sa.case((row.raw_payload == payload, row.updated_at), else_=sa.func.now()),
        **{column: _hide(row[column], row.raw_payload, payload, name) for column, name in keys.items()},
    }
    mine = (part == new.c[part.name] for part in key)
    connection.execute(sa.update(objects.table).where(*mine, *objects.which).values(values))
    return len(found), tuple(found[-1][: len(key)])


def _hide(
    column: sa.Column[Any], before: sa.Column[Any], payload: sa.ColumnElement[object], key: str
) -> sa.ColumnElement[object]:
    """Return a typed column after its key was hidden: NULL, or the hash where it holds text."""
    is_hidden = payload.op("->")(key).is_distinct_from(before.op("->")(key))
    hidden = payload.op("->>")(key) if isinstance(column.type, sa.Text) else sa.null()
    return sa.case((is_hidden & column.is_not(None), hidden), else_=column)
