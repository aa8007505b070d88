"""Writes pages of records as rows: never older over newer, only where a row really changed, and no record is lost.

Ids and hashes are compared first, so that unchanged records are not sent to the server. The others go there in one
`unnest` statement, which decides row by row and returns the change of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError

from hostaway_sync.model.records import Change, Resource
from hostaway_sync.safe_text import quote_safely
from hostaway_sync.store.calendar.marks import STAY_COLUMNS, mark_changed_stays
from hostaway_sync.store.privacy import forgotten
from hostaway_sync.store.privacy.payload_rule import guard_records
from hostaway_sync.store.records import due_threads, observations, setbacks, single_reads
from hostaway_sync.store.records.incoming import (
    OF_ACCOUNT,
    build_changes,
    build_core_columns,
    build_parameters,
    build_received_rows,
    comparable_payload,
    core_parameters,
    is_newer,
    list_parsed_columns,
    was_asked_later,
)
from hostaway_sync.store.tables import MIRRORED, quarantined_records

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from hostaway_sync.model.calendar.days import UnusableEntry
    from hostaway_sync.model.records import Owner, Page, Record, Shape

_WRITTEN = (Change.INSERTED, Change.UPDATED)
_OF_CUSTOMER = sa.bindparam("of_customer", type_=sa.Uuid)


@dataclass(frozen=True, slots=True)
class _Applied:
    """The changes that the records of a page made.

    Attributes:
        changes: by id.
        homeless: records without a row.
        went_back: ids of records that only their stamp makes older.
        stays: by id of a reservation that was written, `STAY_COLUMNS` of its row before; None: there was none.
    """

    changes: dict[int, Change]
    homeless: list[Record]
    went_back: set[int]
    stays: dict[int, Mapping[str, Any] | None]

    def by_key(self) -> list[tuple[int, Change]]:
        """Return the change of every record by its key; see `write_page`."""
        return [*self.changes.items(), *((derive_key(record), Change.QUARANTINED) for record in self.homeless)]


def write_page(
    connection: sa.Connection, owner: Owner, page: Page, *, sweep: setbacks.Sweep | None = None, is_listed: bool = True
) -> list[tuple[int, Change]]:
    """Store a page, and return the change that each of its records made.

    Args:
        connection: its transaction writes the page.
        owner: the owner of the rows.
        page: records of one resource.
        sweep: the walk of a whole list that the page belongs to; None: it belongs to none.
        is_listed: the page is of a list, which may find many rows unchanged; else it is a thread, or single objects.

    Returns:
        One (key, change) a record; the key is its id, or for a record without a row minus its hash.
    """
    guard_records(connection, page.shape, (record.payload_hash for record in page.records))
    page = forgotten.remove_forgotten_guests(connection, owner.account_id, page, writing=True)
    account_id, resource = owner.account_id, page.shape.resource
    applied = _apply(connection, owner, page, _upsert(page.shape))
    if applied.went_back:
        again = _outweigh(connection, owner, page, applied.went_back, sweep)
        applied.changes.update(again.changes)
        applied.stays.update(again.stays)
    changes = applied.by_key()
    written = [key for key, change in changes if change in _WRITTEN]
    if written and resource is Resource.RESERVATIONS:
        mark_changed_stays(connection, account_id, page, applied.stays)
        due_threads.move_marks_to_conversations(connection, account_id, written)
    elif written and resource is Resource.CONVERSATIONS:
        due_threads.inherit_reservation_marks(connection, account_id, written)
    unchanged = [key for key, change in applied.changes.items() if change is Change.UNCHANGED]
    if not is_listed:
        single_reads.record_seen(connection, account_id, page)
    elif unchanged:
        observations.note_unchanged(connection, account_id, resource, unchanged, observed_at=page.observed_at)
    refused = {record.id for record in applied.homeless}
    odd = [record for record in page.records if record.exact is not None and record.id not in {None, *refused}]
    quarantine(connection, account_id, resource, [*odd, *applied.homeless])
    return changes


def preview_page(connection: sa.Connection, owner: Owner, page: Page) -> list[tuple[int, Change]]:
    """Return what `write_page` would return, and write nothing."""
    page = forgotten.remove_forgotten_guests(connection, owner.account_id, page)
    return _apply(connection, owner, page, _comparison(page.shape)).by_key()


def _apply(connection: sa.Connection, owner: Owner, page: Page, statement: sa.Select[Any]) -> _Applied:
    storable = [record for record in page.records if record.id is not None]
    known = _unchanged(connection, owner, page.shape, storable)
    rest = [record for record in storable if record.id not in known]
    homeless = [record for record in page.records if record.id is None]
    applied = _Applied(dict.fromkeys(known, Change.UNCHANGED), homeless, set(), {})
    try:
        _execute(connection, owner, page, statement, rest, applied)
    except DataError:
        # A row that the server refuses must not cost the other rows of its page.
        for record in rest:
            try:
                _execute(connection, owner, page, statement, [record], applied)
            except DataError as error:
                homeless.append(_refused(record, error))
    return applied


def _execute(
    connection: sa.Connection,
    owner: Owner,
    page: Page,
    statement: sa.Select[Any],
    records: Sequence[Record],
    applied: _Applied,
) -> None:
    if not records:
        return
    with connection.begin_nested():
        parameters = {**build_parameters(owner, page, records), **core_parameters(connection, owner.account_id)}
        rows = connection.execute(statement, parameters).all()
    applied.changes.update({row.id: Change(row.change) for row in rows})
    applied.went_back.update(row.id for row in rows if row.went_back)
    if page.shape.resource is Resource.RESERVATIONS:
        applied.stays.update({row.id: _stay_before(row) for row in rows if Change(row.change) in _WRITTEN})


def _stay_before(row: sa.Row[Any]) -> Mapping[str, Any] | None:
    """Return the columns of a reservation's row before it was written; None if there was none, or it was gone."""
    if row.change == Change.INSERTED or row.was_missing:
        return None
    return {name: getattr(row, f"old_{name}") for name in STAY_COLUMNS}


def _outweigh(
    connection: sa.Connection, owner: Owner, page: Page, ids: Collection[int], sweep: setbacks.Sweep | None
) -> _Applied:
    """Store the records with an earlier stamp that two whole sweeps agree on, and note the others as setbacks."""
    account_id, resource = owner.account_id, page.shape.resource
    behind = [record for record in page.records if record.id in ids]
    agreed = [] if sweep is None else setbacks.pop_agreed(connection, account_id, resource, behind, sweep)
    noted = [(record, page.record_observed_at(record.id)) for record in behind if record not in agreed]
    if noted:
        setbacks.note_setbacks(connection, account_id, resource, noted, sweep)
    again = _Applied({}, [], set(), {})
    if agreed:
        setbacks.clear_stamps(connection, account_id, resource, agreed)
        _execute(connection, owner, page, _upsert(page.shape), agreed, again)
    return again


def _refused(record: Record, error: DataError) -> Record:
    words = quote_safely(str(error.orig).splitlines()[0])
    exact = record.exact or record.payload.encode()
    # A server may speak any language; its SQLSTATE says the same in all of them.
    state = f"SQLSTATE {getattr(error.orig, 'sqlstate', None)}"
    reason = f"{words} ({state})" if words else state
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


def quarantine(
    connection: sa.Connection, account_id: int, resource: Resource, records: Iterable[Record | UnusableEntry]
) -> None:
    """Keep the exact bytes of records that cannot be stored as they are; equal bytes have one row."""
    for record in records:
        statement = insert(quarantined_records).values(
            account_id=account_id,
            resource=resource.value,
            record_id=record.id,
            reason=record.reason or "it cannot be stored as it is",
            payload_hash=record.payload_hash,
            exact=record.exact,
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "resource", "payload_hash"],
                # Of the same bytes, less may be stored than before, or more.
                set_={"last_seen_at": sa.func.now(), "exact": statement.excluded.exact},
            )
        )


def derive_key(record: Record) -> int:
    """Return the key of a record without a row: a negative number, made of its hash."""
    return -(int.from_bytes(record.payload_hash[-8:]) >> 1) - 1


def _due_again(table: sa.Table, new: Any) -> sa.ColumnElement[Any]:  # noqa: ANN401  (a column collection)
    moved = sa.or_(table.c.activity.is_distinct_from(new.activity), table.c.missing_since.is_not(None))
    return sa.case((moved, new.observed_at), else_=table.c.thread_due_at)


@lru_cache
def _comparison(shape: Shape) -> sa.Select[Any]:
    table = MIRRORED[shape.resource]
    found = build_changes(table, shape, build_received_rows(table, shape), locking=False)
    return _select_changes(found, shape)


def _select_changes(found: sa.CTE, shape: Shape) -> sa.Select[Any]:
    stays = [f"old_{name}" for name in STAY_COLUMNS] if shape.resource is Resource.RESERVATIONS else []
    names = ("id", "change", "went_back", "was_missing", *stays)
    return sa.select(*(found.c[name] for name in names))


@lru_cache
def _upsert(shape: Shape) -> sa.Select[Any]:
    table = MIRRORED[shape.resource]
    found = build_changes(table, shape, build_received_rows(table, shape), locking=True)
    filled = ["id", "payload_hash", "source_updated_at", *list_parsed_columns(table, shape), "raw_payload"]
    marked = ["thread_due_at"] if "thread_due_at" in table.c else []
    values = (found.c[name] for name in filled)
    changed = found.c.change.in_([sa.literal_column(f"'{name}'") for name in (Change.INSERTED, Change.UPDATED)])
    core = build_core_columns(table, found.c)
    rows = sa.select(
        OF_ACCOUNT, _OF_CUSTOMER, found.c.asked_at, *values, *(found.c.asked_at for _ in marked), *core.values()
    )
    # In the order of their ids: two writers of the same rows must not deadlock.
    rows = rows.where(changed).order_by(found.c.id)
    target = ["account_id", "customer_id", "observed_at", *filled, *marked, *core]
    statement = insert(table).from_select(target, rows)
    new = statement.excluded
    is_same = comparable_payload(table.c.raw_payload, shape) == comparable_payload(new.raw_payload, shape)
    written = statement.on_conflict_do_update(
        index_elements=["account_id", "id"],
        set_={name: new[name] for name in ["customer_id", "observed_at", *filled] if name != "id"}
        | {"missing_since": sa.null(), "unlisted_since": sa.null()}
        | {"updated_at": sa.case((is_same, table.c.updated_at), else_=sa.func.now())}
        | {name: _due_again(table, new) for name in marked},
        # Tested again under the row's lock: another writer may have been faster since the decision.
        where=is_newer(shape, new, table.c, was_asked_later(table.c, new.observed_at)),
    ).cte("written")
    # The same content in other bytes: the hash is stored, so that the next reading is recognised at once. So are the
    # columns read out of the payload, because a newer version of this program may read more.
    derived = ["payload_hash", "source_updated_at", *list_parsed_columns(table, shape)]
    recognised = (
        sa.update(table)
        .values({name: found.c[name] for name in derived})
        .where(
            table.c.account_id == OF_ACCOUNT,
            table.c.id == found.c.id,
            found.c.change == sa.literal_column(f"'{Change.UNCHANGED}'"),
            found.c.is_newer,
        )
        .cte("recognised")
    )
    return _select_changes(found, shape).add_cte(written, recognised)
