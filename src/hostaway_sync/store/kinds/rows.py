"""Rows of the other kinds: written only where they really changed, and never older over newer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import DataError

from hostaway_sync.model.kinds.kind import Scope
from hostaway_sync.model.records import Change
from hostaway_sync.safe_text import quote_safely
from hostaway_sync.store.privacy import forgotten, payload_rule
from hostaway_sync.store.tables import OWN_TABLES, Timestamp, quarantined_records, reference_data, resources
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hostaway_sync.model.kinds.kind import Kind, KindPage, KindRecord
    from hostaway_sync.model.records import Owner

_WRITTEN: Final = (Change.INSERTED, Change.UPDATED)
# Columns with the same value in all rows of a page.
_SAME_IN_ALL: Final = {
    "account_id": sa.bindparam("of_account", type_=sa.BigInteger),
    "customer_id": sa.bindparam("of_customer", type_=sa.Uuid),
    "observed_at": sa.bindparam("asked_at", type_=Timestamp),
    "kind": sa.bindparam("of_kind", type_=sa.Text),
    "parent_id": sa.bindparam("of_parent", type_=sa.Text),
}
_KEPT: Final = frozenset({"account_id", "id", "kind", "source_id", "code", "created_at"})
_FIXED: Final = frozenset(
    {
        *("account_id", "id", "kind", "source_id", "code", "parent_id", "customer_id", "source_updated_at"),
        *("observed_at", "missing_since", "unlisted_since", "created_at", "updated_at", "payload_hash", "raw_payload"),
    }
)


@dataclass(frozen=True, slots=True)
class KindRows:
    """The rows of one list of a kind, in whichever table they are.

    Attributes:
        account_id: whose they are, or by whose run they are read.
        kind: its name.
        parent: the listing whose they are; None: they are the account's.
        is_shared: no account owns them.
    """

    account_id: int
    kind: str
    parent: int | None = None
    is_shared: bool = False

    @property
    def table(self) -> sa.Table:
        """The kind's own table, that of all others, or that of what no account owns."""
        return reference_data if self.is_shared else OWN_TABLES.get(self.kind, resources)

    @property
    def id(self) -> sa.Column[Any]:
        """The column with the platform's id."""
        if self.is_shared:
            return reference_data.c.code
        return self.table.c.id if self.kind in OWN_TABLES else resources.c.source_id

    @property
    def parent_id(self) -> str | None:
        """The parent as text."""
        return None if self.parent is None else str(self.parent)

    def key(self, source_id: str) -> int | str:
        """Return an id as its column holds it."""
        return int(source_id) if self.kind in OWN_TABLES else source_id

    def have(self, ids: Sequence[str]) -> sa.ColumnElement[bool]:
        """Return the condition that a row has one of these ids."""
        listed = sa.literal([self.key(one) for one in ids], sa.ARRAY(self.id.type))
        return sa.and_(*self.of_kind(), self.id == sa.func.any(listed))

    def of_kind(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions of all rows of the kind."""
        if self.is_shared:
            return [reference_data.c.kind == self.kind]
        of_account = self.table.c.account_id == self.account_id
        return [of_account] if self.kind in OWN_TABLES else [of_account, resources.c.kind == self.kind]

    def of_list(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions of the rows of the list."""
        of_parent = [] if self.parent is None else [resources.c.parent_id == self.parent_id]
        return [*self.of_kind(), *of_parent]


def rows_of(account_id: int, kind: Kind, parent: int | None = None) -> KindRows:
    """Return the rows of a list."""
    return KindRows(account_id, kind.name, parent, is_shared=kind.scope is Scope.INSTALLATION)


def compare_records(
    connection: sa.Connection, rows: KindRows, records: Sequence[KindRecord], asked_at: datetime
) -> dict[str, Change]:
    """Return by id what storing each record that has one would change."""
    table, named = rows.table, {record.source_id: record for record in records if record.source_id is not None}
    if not named:
        return {}
    query = sa.select(
        sa.cast(rows.id, sa.Text).label("name"),
        table.c.payload_hash,
        table.c.missing_since.is_not(None).label("is_missing"),
        sa.func.coalesce(null_if_unknown(table.c.observed_at) > asked_at, sa.false()).label("is_newer"),
        _is_of_another(rows).label("is_of_another"),
    ).where(rows.have([*named]))
    stored = {row.name: row for row in connection.execute(query)}
    return {name: _compare(stored.get(name), record) for name, record in named.items()}


def store_page(
    connection: sa.Connection, owner: Owner, rows: KindRows, page: KindPage
) -> tuple[dict[str, Change], int]:
    """Write the records of a page that differ from their rows.

    Returns:
        The change that each record made, by its id, or by its hash where it got no row; and how many values fit no
        column.
    """
    records = page.records
    if not rows.is_shared:
        payload_rule.guard_objects(connection, rows.kind, (record.payload_hash for record in records))
        # Words that no account owns are about no guest, even if a guest has such a name.
        records = forgotten.erase_kind_records(connection, owner.account_id, records)
    changes = compare_records(connection, rows, records, page.observed_at)
    changed = [record for record in records if changes.get(record.source_id or "") in _WRITTEN]
    _note_as_listed(connection, rows, list(changes))
    refused: list[KindRecord] = []
    try:
        _write(connection, owner, rows, changed, page.observed_at)
    except DataError:
        # An object that the server refuses must not cost the others.
        for record in changed:
            try:
                _write(connection, owner, rows, [record], page.observed_at)
            except DataError as error:
                refused.append(record)
                words = quote_safely(str(error.orig).splitlines()[0])
                _quarantine(connection, rows, record, f"PostgreSQL refused it: {words}")
    for record in records:
        if record.reason is not None:
            _quarantine(connection, rows, record, record.reason)
        elif changes.get(record.source_id or "") is Change.QUARANTINED:
            _quarantine(connection, rows, record, "another listing has an object with its id")
    homeless = [*refused, *(record for record in records if record.source_id is None)]
    changes = {name: change for name, change in changes.items() if name not in {one.source_id for one in refused}}
    changes |= {record.payload_hash.hex(): Change.QUARANTINED for record in homeless}
    return changes, sum(record.misfits for record in changed)


def _is_of_another(rows: KindRows) -> sa.ColumnElement[bool]:
    """Return whether a row is that of an object of another listing, whose list has it still."""
    if rows.parent is None:
        return sa.false()
    lives = sa.and_(resources.c.missing_since.is_(None), resources.c.unlisted_since.is_(None))
    return sa.and_(lives, resources.c.parent_id.is_distinct_from(rows.parent_id))


def _note_as_listed(connection: sa.Connection, rows: KindRows, names: Sequence[str]) -> None:
    """Forget that objects were left out: this answer lists them, whether its list was read whole or in part."""
    unlisted = rows.table.c.unlisted_since
    if names:
        connection.execute(
            sa.update(rows.table)
            .where(rows.have(names), *rows.of_list(), unlisted.is_not(None))
            .values(unlisted_since=None)
        )


def _compare(stored: sa.Row[Any] | None, record: KindRecord) -> Change:
    if stored is None:
        return Change.INSERTED
    if stored.is_of_another:
        return Change.QUARANTINED
    if bytes(stored.payload_hash) == record.payload_hash and not stored.is_missing:
        return Change.UNCHANGED
    return Change.STALE if stored.is_newer else Change.UPDATED


def _write(
    connection: sa.Connection, owner: Owner, rows: KindRows, records: Sequence[KindRecord], asked_at: datetime
) -> None:
    if not records:
        return
    # In the order of their ids: two writers of the same rows must not deadlock.
    ordered = sorted(records, key=lambda record: record.source_id or "")
    columns = _typed(rows.table)
    parameters = {
        "of_account": owner.account_id,
        "of_customer": owner.customer_id,
        "asked_at": asked_at,
        "of_kind": rows.kind,
        "of_parent": rows.parent_id,
        "ids": [rows.key(record.source_id or "") for record in ordered],
        "stamps": [record.source_updated_at for record in ordered],
        "hashes": [record.payload_hash for record in ordered],
        "payloads": [record.payload for record in ordered],
        **{name: [record.columns.get(name) for record in ordered] for name in columns},
    }
    with connection.begin_nested():
        connection.execute(_upsert(rows.table, rows.id), parameters)


def _typed(table: sa.Table) -> list[str]:
    return [column.name for column in table.c if column.name not in _FIXED]


@lru_cache
def _upsert(table: sa.Table, key: sa.Column[Any]) -> sa.Insert:
    typed = _typed(table)
    types: dict[str, tuple[str, sa.types.TypeEngine[Any]]] = {
        key.name: ("ids", key.type),
        "source_updated_at": ("stamps", Timestamp),
        "payload_hash": ("hashes", sa.LargeBinary()),
        "payload": ("payloads", sa.Text()),
        **{name: (name, table.c[name].type) for name in typed},
    }
    arrays = (sa.cast(sa.bindparam(parameter), sa.ARRAY(kind)) for parameter, kind in types.values())
    names = (sa.column(name, kind) for name, (_, kind) in types.items())
    received = sa.func.unnest(*arrays).table_valued(*names, name="received").render_derived()
    same = {name: parameter for name, parameter in _SAME_IN_ALL.items() if name in table.c}
    filled = [name for name in (key.name, "source_updated_at", "payload_hash", *typed) if name in table.c]
    target = [*same, *filled, "raw_payload"]
    selected = sa.select(
        *same.values(),
        *(received.c[name] for name in filled),
        sa.cast(received.c.payload, JSONB),
    )
    statement = insert(table).from_select(target, selected)
    new = statement.excluded
    written = {name: new[name] for name in target if name not in _KEPT}
    # After a rewriting of payloads the hash is that of no answer, though the object may be the same.
    is_same = sa.or_(table.c.payload_hash == new.payload_hash, table.c.raw_payload == new.raw_payload)
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={
            **written,
            "missing_since": sa.null(),
            "unlisted_since": sa.null(),
            "updated_at": sa.case((is_same, table.c.updated_at), else_=sa.func.now()),
        },
    )


def _quarantine(connection: sa.Connection, rows: KindRows, record: KindRecord, reason: str) -> None:
    number = record.source_id if record.source_id is not None and rows.kind in OWN_TABLES else None
    statement = insert(quarantined_records).values(
        account_id=rows.account_id,
        resource=rows.kind,
        record_id=None if number is None else int(number),
        reason=reason,
        payload_hash=record.payload_hash,
        exact=record.exact or record.payload.encode(),
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "resource", "payload_hash"],
            set_={"last_seen_at": sa.func.now(), "exact": statement.excluded.exact},
        )
    )
