"""The rewriting of days of calendars that were stored under another redaction rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa

from hostaway_sync.model.redaction import MARK_BYTES
from hostaway_sync.store.tables import calendar_days

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from hostaway_sync.model.redaction import Redactor

_Key: TypeAlias = "tuple[int, int, date]"


def rewrite_days(
    connection: sa.Connection,
    after: _Key | None,
    *,
    redactor: Redactor,
    mark: bytes,
    keys: Mapping[str, str],
    limit: int,
) -> tuple[int, _Key | None]:
    """Hide fields in some of the days that another rule hid; return how many, and the last one, None: there are none.

    Args:
        connection: its transaction rewrites them.
        after: the last day of the batch before.
        redactor: of days.
        mark: the first bytes of the hash of days that need no rewriting.
        keys: the payload key of each typed column.
        limit: most days in a batch.
    """
    row = calendar_days.c
    key = (row.account_id, row.listing_id, row.date)
    query = sa.select(*key, sa.cast(row.raw_payload, sa.Text).label("payload")).where(
        sa.func.substring(row.payload_hash, 1, MARK_BYTES) != sa.literal(mark, sa.LargeBinary)
    )
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
    found = connection.execute(query.order_by(*key).limit(limit).with_for_update()).all()
    if not found:
        return 0, None
    columns = (
        sa.cast([one.account_id for one in found], sa.ARRAY(sa.BigInteger)),
        sa.cast([one.listing_id for one in found], sa.ARRAY(sa.BigInteger)),
        sa.cast([one.date for one in found], sa.ARRAY(sa.Date)),
        sa.cast([redactor.redact(one.payload) for one in found], sa.ARRAY(sa.Text)),
    )
    names = (*(sa.column(one.name, one.type) for one in key), sa.column("payload", sa.Text))
    new = sa.func.unnest(*columns).table_valued(*names, name="new").render_derived()
    payload = sa.cast(new.c.payload, row.raw_payload.type)
    # The received bytes are unknown by now: the next reading compares the payloads, and stores the hash again.
    values = {
        "raw_payload": payload,
        "payload_hash": sa.literal(mark, sa.LargeBinary),
        "updated_at": sa.case((row.raw_payload == payload, row.updated_at), else_=sa.func.now()),
        **{column: _hide(row[column], payload, name) for column, name in keys.items()},
    }
    mine = (row[one.name] == new.c[one.name] for one in key)
    connection.execute(sa.update(calendar_days).where(*mine).values(values))
    return len(found), (found[-1].account_id, found[-1].listing_id, found[-1].date)


def _hide(column: sa.ColumnElement[object], payload: sa.ColumnElement[object], key: str) -> sa.ColumnElement[object]:
    """Return a typed column after its key was hidden: NULL, or the hash where it holds text."""
    is_hidden = payload.op("->")(key).is_distinct_from(calendar_days.c.raw_payload.op("->")(key))
    hidden = payload.op("->>")(key) if isinstance(column.type, sa.Text) else sa.null()
    return sa.case((is_hidden & column.is_not(None), hidden), else_=column)
