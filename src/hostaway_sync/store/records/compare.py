"""Compares received records with their rows: the payloads themselves, not their hashes, and the columns read from them.

Payloads count as equal by the rule of `store.records.incoming`. So a comparison finds only damage in a row that a run
would call unchanged: a run trusts the hash, a comparison does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError

from hostaway_sync.model.records import Resource, Shape
from hostaway_sync.store.privacy import forgotten
from hostaway_sync.store.records.incoming import (
    ASKED_AT,
    CLOCKS_DIFFER,
    OF_ACCOUNT,
    build_parameters,
    build_received_rows,
    comparable_payload,
)
from hostaway_sync.store.records.upsert import write_page
from hostaway_sync.store.tables import MIRRORED, quarantined_records
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.model.records import Owner, Page, Record

_A_MOMENT = timedelta(microseconds=1)


class RowComparison(StrEnum):
    """The result of comparing one object."""

    EQUAL = "equal"
    MISSING = "missing"
    """The source has it; the mirror has no live row of it, or not its exact bytes."""
    DIFFERENT = "different"
    BEHIND = "behind"
    """The row differs only in what changes with its parts, which were read after it: equal if they are."""
    EXTRA = "extra"
    """The mirror has a live row, and the source proves it gone."""
    UNDECIDED = "undecided"
    """The mirror has a live row, and the source neither lists the object nor proves it gone."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One received record.

    Attributes:
        is_later: whether its row was read after this page.
        is_behind: whether it changed at the source without any sign that a run could have followed.
    """

    record: Record
    verdict: RowComparison
    is_later: bool
    is_behind: bool = False


def compare_page(connection: sa.Connection, owner: Owner, page: Page, *, locking: bool = False) -> list[Compared]:
    """Compare each record of a page with its row; with `locking` the rows stay as they are until the commit."""
    page = forgotten.remove_forgotten_guests(connection, owner.account_id, page)
    storable = [record for record in page.records if record.id is not None]
    homeless = [record for record in page.records if record.id is None]
    compared: list[Compared] = []
    try:
        compared += _execute(connection, owner, page, storable, locking=locking)
    except DataError:
        # One record that the server refuses has its bytes in quarantine instead of a row.
        for record in storable:
            try:
                compared += _execute(connection, owner, page, [record], locking=locking)
            except DataError:
                homeless.append(replace(record, exact=record.exact or record.payload.encode()))
    odd = [one.record for one in compared if one.record.exact is not None]
    kept = _kept(connection, owner, page.shape, [*odd, *homeless])
    compared = [one if _is_kept(one, kept) else replace(one, verdict=RowComparison.MISSING) for one in compared]
    return compared + [
        Compared(record, RowComparison.EQUAL if record.payload_hash in kept else RowComparison.MISSING, is_later=False)
        for record in homeless
    ]


def repair_page(connection: sa.Connection, owner: Owner, page: Page) -> None:
    """Store a page unconditionally: older over newer, over rows marked missing, and over rows with the same hash."""
    _give_way(connection, owner, page)
    write_page(connection, owner, page)


def _execute(
    connection: sa.Connection, owner: Owner, page: Page, records: Sequence[Record], *, locking: bool
) -> list[Compared]:
    if not records:
        return []
    # The stamps as received: whether a stamp is believable was decided when its row was written.
    stamps = {"stamps": [record.source_updated_at for record in records]}
    with connection.begin_nested():
        rows = connection.execute(
            _comparison(page.shape, locking=locking), {**build_parameters(owner, page, records), **stamps}
        )
        found = {row.id: row for row in rows}
    return [
        Compared(record, RowComparison(found[record.id].verdict), found[record.id].is_later, found[record.id].is_behind)
        for record in records
        if record.id is not None
    ]


@lru_cache
def _comparison(shape: Shape, *, locking: bool) -> sa.Select[Any]:
    table = MIRRORED[shape.resource]
    received = build_received_rows(table, shape)
    joined = (
        sa.select(
            table.c.id,
            table.c.missing_since.is_(None).label("is_live"),
            (null_if_unknown(table.c.observed_at) > ASKED_AT).label("is_later"),
            _is_same(table, received, shape).label("is_same"),
            _is_silently_behind(table, received, shape).label("is_behind"),
            _is_behind_its_parts(table, received, shape).label("is_behind_parts"),
        )
        .join_from(table, received, table.c.id == received.c.id)
        .where(table.c.account_id == OF_ACCOUNT)
        .order_by(table.c.id)
    )
    stored = (joined.with_for_update(of=table) if locking else joined).cte("stored")
    verdict = sa.case(
        (sa.func.coalesce(stored.c.is_live, sa.false()).is_(False), sa.literal_column(f"'{RowComparison.MISSING}'")),
        (sa.or_(stored.c.is_same, stored.c.is_behind), sa.literal_column(f"'{RowComparison.EQUAL}'")),
        (stored.c.is_behind_parts, sa.literal_column(f"'{RowComparison.BEHIND}'")),
        else_=sa.literal_column(f"'{RowComparison.DIFFERENT}'"),
    )
    is_later = sa.func.coalesce(stored.c.is_later, sa.false())
    is_behind = sa.func.coalesce(stored.c.is_live & ~stored.c.is_same, sa.false())
    return sa.select(
        received.c.id,
        verdict.label("verdict"),
        is_later.label("is_later"),
        sa.and_(is_behind, sa.or_(stored.c.is_behind, stored.c.is_behind_parts)).label("is_behind"),
    ).select_from(received.outerjoin(stored, stored.c.id == received.c.id))


def _is_silently_behind(table: sa.Table, received: sa.CTE, shape: Shape) -> sa.ColumnElement[bool]:
    """Whether a row differs only in what changes without any sign."""
    if not shape.silent:
        return sa.false()
    return _is_same(table, received, replace(shape, volatile=(*shape.volatile, *shape.silent)))


def _is_behind_its_parts(table: sa.Table, received: sa.CTE, shape: Shape) -> sa.ColumnElement[bool]:
    """Whether a row differs only in what changes with its parts, and these were read whole after it.

    The part columns must still match its payload: else the row is damaged.
    """
    if not shape.with_parts:
        return sa.false()
    ignored = (*shape.volatile, *shape.silent, *shape.with_parts)
    were_read = sa.func.coalesce(null_if_unknown(table.c.thread_read_at) > table.c.observed_at, sa.false())
    texts = (sa.cast(table.c.raw_payload.op("->")(key), sa.Text) for key in shape.with_parts)
    said = sa.func.concat_ws("|", *(sa.func.coalesce(sa.func.nullif(text, "null"), "") for text in texts))
    return sa.and_(
        _is_same(table, received, replace(shape, volatile=ignored)),
        were_read,
        table.c.activity.is_not_distinct_from(said),
    )


def _is_same(table: sa.Table, received: sa.CTE, shape: Shape) -> sa.ColumnElement[bool]:
    same_payload = sa.case(
        (
            _is_object(table),
            comparable_payload(table.c.raw_payload, shape) == comparable_payload(received.c.raw_payload, shape),
        ),
        else_=sa.false(),
    )
    # A later reading that found nothing new has moved `observed_at` since the row was written.
    written_at = sa.func.least(table.c.observed_at, table.c.updated_at)
    unbelievable = received.c.source_updated_at > written_at + CLOCKS_DIFFER
    same_stamp = sa.or_(
        table.c.source_updated_at.is_not_distinct_from(received.c.source_updated_at),
        sa.and_(table.c.source_updated_at.is_(None), unbelievable),
    )
    same_columns = [table.c[name].is_not_distinct_from(received.c[name]) for name in shape.columns]
    return sa.func.coalesce(sa.and_(same_payload, same_stamp, *same_columns), sa.false())


def _is_object(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether a payload is an object: a damaged one may be something without keys."""
    return sa.func.jsonb_typeof(table.c.raw_payload) == sa.literal_column("'object'")


def _is_kept(one: Compared, kept: set[bytes]) -> bool:
    """Whether the exact bytes of a record are in quarantine beside its equal row, where they are needed."""
    return one.verdict is not RowComparison.EQUAL or one.record.exact is None or one.record.payload_hash in kept


def _kept(connection: sa.Connection, owner: Owner, shape: Shape, records: Sequence[Record]) -> set[bytes]:
    """Return the hashes of the records whose exact bytes are in quarantine.

    A row that was made of other bytes, which differ in volatile parts only, must have those there.
    """
    if not records:
        return set()
    table, kept = MIRRORED[shape.resource], quarantined_records
    received = (
        sa.func.unnest(
            sa.cast([record.id for record in records], sa.ARRAY(sa.BigInteger)),
            sa.cast([record.payload_hash for record in records], sa.ARRAY(sa.LargeBinary)),
            sa.cast([record.exact for record in records], sa.ARRAY(sa.LargeBinary)),
        )
        .table_valued(sa.column("id", sa.BigInteger), sa.column("hash", sa.LargeBinary), sa.column("exact"))
        .render_derived()
    )
    stored = sa.and_(table.c.account_id == owner.account_id, table.c.id == received.c.id)
    is_kept = sa.exists().where(
        kept.c.account_id == owner.account_id,
        kept.c.resource == shape.resource.value,
        sa.or_(
            sa.and_(kept.c.payload_hash == received.c.hash, kept.c.exact == received.c.exact),
            sa.and_(kept.c.payload_hash == table.c.payload_hash, table.c.payload_hash != received.c.hash),
        ),
    )
    query = sa.select(received.c.hash).select_from(received.outerjoin(table, stored)).where(is_kept)
    return {bytes(row.hash) for row in connection.execute(query)}


def _give_way(connection: sa.Connection, owner: Owner, page: Page) -> None:
    """Clear in rows what would protect them against a page, in the transaction that writes the page.

    A conversation that differs is due: its messages may have been damaged by what damaged it.
    """
    table = MIRRORED[page.shape.resource]
    values: dict[str, Any] = {
        "payload_hash": b"",
        "source_updated_at": None,
        "observed_at": sa.func.least(table.c.observed_at, page.observed_at - _A_MOMENT),
        "raw_payload": sa.case((_is_object(table), table.c.raw_payload), else_=sa.literal_column("'{}'::jsonb")),
    }
    if page.shape.resource is Resource.CONVERSATIONS:
        values["thread_due_at"] = sa.func.greatest(table.c.thread_due_at, page.observed_at)
    ids = [record.id for record in page.records if record.id is not None]
    is_received = table.c.id == sa.func.any(sa.literal(ids, sa.ARRAY(sa.BigInteger)))
    connection.execute(sa.update(table).where(table.c.account_id == owner.account_id, is_received).values(values))
    hashes = [record.payload_hash for record in page.records if record.exact is not None]
    connection.execute(
        sa.delete(quarantined_records).where(
            quarantined_records.c.account_id == owner.account_id,
            quarantined_records.c.resource == page.shape.resource.value,
            quarantined_records.c.payload_hash == sa.func.any(sa.literal(hashes, sa.ARRAY(sa.LargeBinary))),
        )
    )
