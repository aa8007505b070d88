"""The rewriting of objects of the other kinds that were stored under another redaction rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from hostaway_sync.model.redaction import MARK_BYTES
from hostaway_sync.store.tables import OWN_TABLES, resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.redaction import Redactor

_Key: TypeAlias = "tuple[int, int | str]"


def rewrite_objects(
    connection: sa.Connection,
    after: _Key | None,
    *,
    kind: str,
    redactor: Redactor,
    mark: bytes,
    keys: Mapping[str, str],
    limit: int,
) -> tuple[int, _Key | None]:
    """Hide fields in some of a kind's objects that another rule hid; return how many, and the last (None: none).

    Args:
        connection: its transaction rewrites them.
        after: the last object of the batch before.
        kind: their name.
        redactor: of the kind.
        mark: the first bytes of the hash of objects that need no rewriting.
        keys: the payload key of each typed column.
        limit: most objects in a batch.
    """
    table = OWN_TABLES.get(kind, resources)
    name = table.c.id if kind in OWN_TABLES else table.c.source_id
    key = (table.c.account_id, name)
    of_kind = () if kind in OWN_TABLES else (resources.c.kind == kind,)
    query = sa.select(*key, sa.cast(table.c.raw_payload, sa.Text).label("payload")).where(
        sa.func.substring(table.c.payload_hash, 1, MARK_BYTES) != sa.literal(mark, sa.LargeBinary), *of_kind
    )
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
    found = connection.execute(query.order_by(*key).limit(limit).with_for_update()).all()
    if not found:
        return 0, None
    columns = (
        sa.cast([one[0] for one in found], sa.ARRAY(sa.BigInteger)),
        sa.cast([one[1] for one in found], sa.ARRAY(name.type)),
        sa.cast([redactor.redact(one.payload) for one in found], sa.ARRAY(sa.Text)),
    )
    names = (sa.column("account_id", sa.BigInteger), sa.column("name", name.type), sa.column("payload", sa.Text))
    new = sa.func.unnest(*columns).table_valued(*names, name="new").render_derived()
    payload = sa.cast(new.c.payload, table.c.raw_payload.type)
    # The received bytes are unknown by now: the next reading stores the hash again.
    values = {
        "raw_payload": payload,
        "payload_hash": sa.literal(mark, sa.LargeBinary),
        "updated_at": sa.case((table.c.raw_payload == payload, table.c.updated_at), else_=sa.func.now()),
        **{column: _hide(table, table.c[column], payload, path) for column, path in keys.items()},
    }
    mine = (table.c.account_id == new.c.account_id, name == new.c.name, *of_kind)
    connection.execute(sa.update(table).where(*mine).values(values))
    return len(found), (found[-1][0], found[-1][1])


def _hide(
    table: sa.Table, column: sa.Column[Any], payload: sa.ColumnElement[object], key: str
) -> sa.ColumnElement[object]:
    """Return a typed column after its key was hidden: NULL, or the hash where it holds text."""
    is_hidden = payload.op("->")(key).is_distinct_from(table.c.raw_payload.op("->")(key))
    hidden = payload.op("->>")(key) if isinstance(column.type, sa.Text) else sa.null()
    return sa.case((is_hidden & column.is_not(None), hidden), else_=column)
