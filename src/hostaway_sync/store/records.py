"""Pages of records → rows: never older over newer, real change only, and nothing dropped.

Rows whose hash is the one received never travel: their ids and hashes are compared first. The rest goes to the server
in one `unnest` statement that decides row by row and says what became of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import DataError

from hostaway_sync.records import Change, Resource, Shape
from hostaway_sync.sentences import quoted
from hostaway_sync.store import due, forgotten
from hostaway_sync.store.marks import known
from hostaway_sync.store.payload_rule import guard_records
from hostaway_sync.store.tables import MIRRORED, quarantined_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from hostaway_sync.records import Page, Record

# In JSON text: up to the string's end, an escape or a space, so that what is left is still JSON.
_URL_WITH_QUERY = r'(https?://[^"\\\s?]*)\?[^"\\\s]*'
CLOCKS_DIFFER = timedelta(days=1)
OF_ACCOUNT = sa.bindparam("of_account", type_=sa.BigInteger)
_OF_CUSTOMER = sa.bindparam("of_customer", type_=sa.Uuid)
ASKED_AT = sa.bindparam("asked_at", type_=sa.DateTime(timezone=True))


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose rows are written: the account, and the customer whose id every row repeats."""

    account_id: int
    customer_id: UUID | None = None


def write_page(connection: sa.Connection, owner: Owner, page: Page) -> list[tuple[int, Change]]:
    """Store a page and say what became of each of its records.

    Returns:
        One (key, change) a record; the key is its id, or for a record without a row minus its hash.
    """
    guard_records(connection, page.shape.resource, (record.payload_hash for record in page.records))
    page = forgotten.without_guests(connection, owner.account_id, page, writing=True)
    changes, homeless = _apply(connection, owner, page, _upsert(page.shape))
    written = [key for key, change in changes if change in {Change.INSERTED, Change.UPDATED}]
    if written and page.shape.resource is Resource.RESERVATIONS:
        due.pass_on(connection, owner.account_id, written)
    elif written and page.shape.resource is Resource.CONVERSATIONS:
        due.take_over(connection, owner.account_id, written)
    refused = {record.id for record in homeless}
    odd = [record for record in page.records if record.exact is not None and record.id not in {None, *refused}]
    _quarantine(connection, owner, page.shape, [*odd, *homeless])
    return changes


def compare_page(connection: sa.Connection, owner: Owner, page: Page) -> list[tuple[int, Change]]:
    """Say what `write_page` would do, and write nothing."""
    page = forgotten.without_guests(connection, owner.account_id, page)
    return _apply(connection, owner, page, _comparison(page.shape))[0]


def _apply(
    connection: sa.Connection, owner: Owner, page: Page, statement: sa.Select[Any]
) -> tuple[list[tuple[int, Change]], list[Record]]:
    """Give the change of every record, and the records that got no row."""
    homeless = [record for record in page.records if record.id is None]
    storable = [record for record in page.records if record.id is not None]
    known = _unchanged(connection, owner, page.shape, storable)
    rest = [record for record in storable if record.id not in known]
    changes = dict.fromkeys(known, Change.UNCHANGED)
    try:
        changes |= _execute(connection, owner, page, statement, rest)
    except DataError:
        # One row that the server refuses must cost that row, not its page.
        for record in rest:
            try:
                changes |= _execute(connection, owner, page, statement, [record])
            except DataError as error:
                homeless.append(_refused(record, error))
    return [*changes.items(), *((key_of(record), Change.QUARANTINED) for record in homeless)], homeless


def _execute(
    connection: sa.Connection, owner: Owner, page: Page, statement: sa.Select[Any], records: Sequence[Record]
) -> dict[int, Change]:
    if not records:
        return {}
    with connection.begin_nested():
        rows = connection.execute(statement, parameters(owner, page, records))
        return {row.id: Change(row.change) for row in rows}


def _refused(record: Record, error: DataError) -> Record:
    reason = quoted(str(error.orig).splitlines()[0])
    exact = record.exact or record.payload.encode()
    return replace(record, exact=exact, reason=f"PostgreSQL refused it: {reason}")


def _unchanged(connection: sa.Connection, owner: Owner, shape: Shape, records: Sequence[Record]) -> set[int]:
    table = MIRRORED[shape.resource]
    stored = connection.execute(
        sa.select(table.c.id, table.c.payload_hash).where(
            table.c.account_id == owner.account_id,
            table.c.id == sa.func.any(sa.bindparam("ids", [record.id for record in records], sa.ARRAY(sa.BigInteger))),
            table.c.missing_since.is_(None),
        )
    )
    hashes = {row.id: bytes(row.payload_hash) for row in stored}
    return {record.id for record in records if record.id is not None and hashes.get(record.id) == record.payload_hash}


def _quarantine(connection: sa.Connection, owner: Owner, shape: Shape, records: Iterable[Record]) -> None:
    for record in records:
        statement = insert(quarantined_records).values(
            account_id=owner.account_id,
            resource=shape.resource.value,
            record_id=record.id,
            reason=record.reason or "it cannot be stored as it is",
            payload_hash=record.payload_hash,
            exact=record.exact,
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "resource", "payload_hash"],
                # Of the same bytes less may be kept than before, or more.
                set_={"last_seen_at": sa.func.now(), "exact": statement.excluded.exact},
            )
        )


def key_of(record: Record) -> int:
    """Give the key of a record without a row: minus its hash."""
    return -(int.from_bytes(record.payload_hash[-8:]) >> 1) - 1


def parameters(owner: Owner, page: Page, records: Sequence[Record]) -> Mapping[str, Any]:
    """Give what `received_rows` turns into rows, and what else a statement about them may ask for."""
    return {
        "of_account": owner.account_id,
        "of_customer": owner.customer_id,
        "asked_at": page.observed_at,
        "asked_ats": [page.observed(record.id) for record in records],
        "ids": [record.id for record in records],
        "hashes": [record.payload_hash for record in records],
        "stamps": [_believable(record.source_updated_at, page.observed_at) for record in records],
        "payloads": [record.payload for record in records],
        "activitys": [record.activity for record in records],
        **{f"{name}s": [record.columns.get(name) for record in records] for name in page.shape.columns},
    }


def _believable(stamp: datetime | None, asked_at: datetime) -> datetime | None:
    """Leave out a stamp from the future: no later change of the row would ever count as newer."""
    return None if stamp is None or stamp > asked_at + CLOCKS_DIFFER else stamp


def received_rows(table: sa.Table, shape: Shape) -> sa.CTE:
    """Turn the parameters, one array a column, into rows."""
    types: dict[str, tuple[str, sa.types.TypeEngine[Any]]] = {
        "id": ("ids", sa.BigInteger()),
        "asked_at": ("asked_ats", table.c.observed_at.type),
        "payload_hash": ("hashes", sa.LargeBinary()),
        "source_updated_at": ("stamps", table.c.source_updated_at.type),
        "payload": ("payloads", sa.Text()),
        **{name: (f"{name}s", table.c[name].type) for name in _typed(table, shape)},
    }
    arrays = [sa.cast(sa.bindparam(parameter), sa.ARRAY(kind)) for parameter, kind in types.values()]
    names = [sa.column(name, kind) for name, (_, kind) in types.items()]
    rows = sa.func.unnest(*arrays).table_valued(*names, name="rows").render_derived()
    selected = [rows.c[name] for name in types if name != "payload"]
    raw_payload = sa.cast(rows.c.payload, JSONB).label("raw_payload")
    return sa.select(*selected, raw_payload).cte("incoming")


def comparable(payload: sa.ColumnElement[Any], shape: Shape) -> sa.ColumnElement[Any]:
    """Leave out of a payload what says nothing about the object: volatile keys, and queries of signed URLs."""
    hidden = [*shape.volatile, *shape.signed]
    kept: sa.ColumnElement[Any] = payload.op("-")(sa.cast(hidden, sa.ARRAY(sa.Text))) if hidden else payload
    for key in shape.signed:
        value = sa.cast(payload.op("->")(sa.literal_column(f"'{key}'")), sa.Text)
        unsigned = sa.cast(sa.func.regexp_replace(value, _URL_WITH_QUERY, r"\1", "g"), JSONB)
        kept = kept.op("||")(sa.func.jsonb_build_object(sa.literal_column(f"'{key}'"), unsigned))
    return kept


def _is_newer(new: Any, old: Any, asked_at: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:  # noqa: ANN401  (two column collections)
    """Never older over newer: the source's stamp decides, and where it cannot, when we asked.

    A row that is gone comes back only with an answer that is newer than the proof.
    """
    undecided = sa.or_(
        new.source_updated_at == old.source_updated_at,
        new.source_updated_at.is_(None),
        old.source_updated_at.is_(None),
    )
    was_asked_later = sa.func.coalesce(known(old.observed_at) < asked_at, sa.true())
    return sa.or_(
        sa.and_(
            sa.func.coalesce(new.source_updated_at > old.source_updated_at, sa.false()),
            sa.or_(old.missing_since.is_(None), was_asked_later),
        ),
        sa.and_(undecided, was_asked_later),
    )


def _verdicts(table: sa.Table, shape: Shape, incoming: sa.CTE, *, locking: bool) -> sa.CTE:
    """Decide row by row, in SQL because the stored payloads are there."""
    joined = (
        sa.select(
            table.c.id,
            table.c.missing_since.is_not(None).label("was_missing"),
            _is_newer(incoming.c, table.c, incoming.c.asked_at).label("is_newer"),
            (comparable(table.c.raw_payload, shape) == comparable(incoming.c.raw_payload, shape)).label("is_same"),
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
    return (
        sa.select(incoming, change.label("change"), old.c.is_newer)
        .select_from(incoming.outerjoin(old, old.c.id == incoming.c.id))
        .cte("verdicts")
    )


def _typed(table: sa.Table, shape: Shape) -> tuple[str, ...]:
    return (*shape.columns, "activity") if "activity" in table.c else shape.columns


def _due_again(table: sa.Table, new: Any) -> sa.ColumnElement[Any]:  # noqa: ANN401  (a column collection)
    moved = sa.or_(table.c.activity.is_distinct_from(new.activity), table.c.missing_since.is_not(None))
    return sa.case((moved, new.observed_at), else_=table.c.thread_due_at)


@lru_cache
def _comparison(shape: Shape) -> sa.Select[Any]:
    table = MIRRORED[shape.resource]
    verdicts = _verdicts(table, shape, received_rows(table, shape), locking=False)
    return sa.select(verdicts.c.id, verdicts.c.change)


@lru_cache
def _upsert(shape: Shape) -> sa.Select[Any]:
    table = MIRRORED[shape.resource]
    verdicts = _verdicts(table, shape, received_rows(table, shape), locking=True)
    filled = ["id", "payload_hash", "source_updated_at", *_typed(table, shape), "raw_payload"]
    marked = ["thread_due_at"] if "thread_due_at" in table.c else []
    values = (verdicts.c[name] for name in filled)
    changed = verdicts.c.change.in_([sa.literal_column(f"'{name}'") for name in (Change.INSERTED, Change.UPDATED)])
    rows = sa.select(OF_ACCOUNT, _OF_CUSTOMER, verdicts.c.asked_at, *values, *(verdicts.c.asked_at for _ in marked))
    # In the order of their ids: two who insert the same rows must not wait for each other in a circle.
    rows = rows.where(changed).order_by(verdicts.c.id)
    statement = insert(table).from_select(["account_id", "customer_id", "observed_at", *filled, *marked], rows)
    new = statement.excluded
    is_same = comparable(table.c.raw_payload, shape) == comparable(new.raw_payload, shape)
    written = statement.on_conflict_do_update(
        index_elements=["account_id", "id"],
        set_={name: new[name] for name in ["customer_id", "observed_at", *filled] if name != "id"}
        | {"missing_since": sa.null(), "unlisted_since": sa.null()}
        | {"updated_at": sa.case((is_same, table.c.updated_at), else_=sa.func.now())}
        | {name: _due_again(table, new) for name in marked},
        # Asked again under the row's lock: another writer may have been faster since the verdict.
        where=_is_newer(new, table.c, new.observed_at),
    ).cte("written")
    # The same content in other bytes: the hash is taken over, so that the next reading is recognised at once, and what
    # is read out of the payload, because a newer version of this program may read more.
    derived = ["payload_hash", "source_updated_at", *_typed(table, shape)]
    recognised = (
        sa.update(table)
        .values({name: verdicts.c[name] for name in derived})
        .where(
            table.c.account_id == OF_ACCOUNT,
            table.c.id == verdicts.c.id,
            verdicts.c.change == sa.literal_column(f"'{Change.UNCHANGED}'"),
            verdicts.c.is_newer,
        )
        .cte("recognised")
    )
    return sa.select(verdicts.c.id, verdicts.c.change).add_cte(written, recognised)
