"""The records that current runs have met, kept in the database so that memory does not grow with the account.

A record may be met twice (pages overlap, rows move); it counts once, with the strongest change.

A page belongs to a run, whose report counts it, and to a walk, whose list it completes. An interrupted walk of a whole
list outlives its run, with its pages, until another run resumes it or it is too old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.records import Change, ChangeCounts, QualityCounts
from hostaway_sync.store.tables import walk_pages, walks
from hostaway_sync.store.time_marks import is_known, is_within, null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from hostaway_sync.model.records import Resource


_RANKS = {change: rank for rank, change in enumerate(Change)}


@dataclass(frozen=True, slots=True)
class Walk:
    """The walk of a whole list.

    Attributes:
        walk_id: names its pages.
        began_at: the start of the run that began it: its signpost.
        watermark_at: the resource's watermark, once the walk is whole.
        position: where it stands, as the source describes it; None: it cannot be resumed.
    """

    walk_id: UUID
    began_at: datetime
    watermark_at: datetime | None = None
    position: str | None = None


def add_page(
    connection: sa.Connection,
    run_id: UUID,
    walk_id: UUID,
    account_id: int,
    resource: Resource,
    changes: Sequence[tuple[int, Change]],
    oddities: QualityCounts,
) -> None:
    """Store the records and changes of a page, in the transaction that wrote the page."""
    connection.execute(
        sa.insert(walk_pages).values(
            run_id=run_id,
            account_id=account_id,
            resource=resource.value,
            walk_id=walk_id,
            record_keys=[key for key, _ in changes],
            changes=[_RANKS[change] for _, change in changes],
            cleaned=oddities.cleaned,
            misfits=oddities.misfits,
        )
    )


def count_changes(connection: sa.Connection, run_id: UUID, resource: Resource) -> tuple[ChangeCounts, QualityCounts]:
    """Count the distinct records of a run by their strongest change, and the oddities met."""
    unnested = sa.func.unnest(walk_pages.c.record_keys, walk_pages.c.changes)
    met = unnested.table_valued("key", "rank", name="met").render_derived()
    strongest = (
        sa.select(sa.func.min(met.c.rank).label("rank"))
        .select_from(walk_pages.join(met, sa.true()))
        .where(walk_pages.c.run_id == run_id, walk_pages.c.resource == resource.value)
        .group_by(met.c.key)
        .subquery()
    )
    rows = connection.execute(sa.select(strongest.c.rank, sa.func.count().label("met_once")).group_by(strongest.c.rank))
    by_rank = {row.rank: row.met_once for row in rows}
    counts = {change.value: by_rank.get(rank, 0) for change, rank in _RANKS.items()}
    odd = connection.execute(
        sa.select(sa.func.sum(walk_pages.c.cleaned), sa.func.sum(walk_pages.c.misfits)).where(
            walk_pages.c.run_id == run_id, walk_pages.c.resource == resource.value
        )
    ).one()
    return ChangeCounts(seen=sum(counts.values()), **counts), QualityCounts(*(int(number or 0) for number in odd))


def count_met_records(connection: sa.Connection, walk_id: UUID, resource: Resource) -> int:
    """Count the distinct records of a walk, whichever runs worked on it."""
    keys = sa.func.unnest(walk_pages.c.record_keys).table_valued("key", name="met").render_derived()
    query = (
        sa.select(sa.func.count(keys.c.key.distinct()))
        .select_from(walk_pages.join(keys, sa.true()))
        .where(walk_pages.c.walk_id == walk_id, walk_pages.c.resource == resource.value)
    )
    return connection.execute(query).scalar_one()


def store_position(connection: sa.Connection, account_id: int, resource: Resource, walk: Walk) -> None:
    """Store the position of a walk, in the transaction that wrote its page; without a position, delete the walk."""
    if walk.position is None:
        connection.execute(sa.delete(walks).where(*_of(account_id, resource)))
        return
    values = {
        "walk_id": walk.walk_id,
        "began_at": walk.began_at,
        "watermark_at": walk.watermark_at,
        "position": walk.position,
        "updated_at": sa.func.now(),
    }
    statement = insert(walks).values(account_id=account_id, resource=resource.value, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["account_id", "resource"], set_=values))


def find_interrupted(connection: sa.Connection, account_id: int, resource: Resource) -> Walk | None:
    """Return the interrupted walk of a list, to resume it; None where there is none."""
    columns = (walks.c.walk_id, walks.c.began_at, null_if_unknown(walks.c.watermark_at), walks.c.position)
    query = sa.select(*columns).where(*_of(account_id, resource), is_known(walks.c.began_at))
    row = connection.execute(query).one_or_none()
    return None if row is None else Walk(*row)


def delete_walk(connection: sa.Connection, account_id: int, resource: Resource, walk_id: UUID, *, run_id: UUID) -> None:
    """Delete a finished walk of a list, and the pages that other runs than this one stored for it."""
    connection.execute(sa.delete(walks).where(*_of(account_id, resource)))
    connection.execute(sa.delete(walk_pages).where(walk_pages.c.walk_id == walk_id, walk_pages.c.run_id != run_id))


def delete_pages_of_run(connection: sa.Connection, run_id: UUID) -> None:
    """Delete the pages of a finished run, but for those of walks that can be resumed."""
    connection.execute(sa.delete(walk_pages).where(walk_pages.c.run_id == run_id, _belongs_to_no_walk()))


def delete_pages_of_dead_runs(
    connection: sa.Connection, account_id: int, run_id: UUID, *, older_than: timedelta
) -> None:
    """Delete the pages of an account's other runs, but for those of walks younger than `older_than`.

    Requires the account's lease. A run that a signal stopped counts, too: its threads may store a page after its end.
    """
    is_old = ~is_within(walks.c.began_at, older_than)
    connection.execute(sa.delete(walks).where(walks.c.account_id == account_id, is_old))
    of_others = (walk_pages.c.account_id == account_id, walk_pages.c.run_id != run_id)
    connection.execute(sa.delete(walk_pages).where(*of_others, _belongs_to_no_walk()))


def _belongs_to_no_walk() -> sa.ColumnElement[bool]:
    return ~sa.exists().where(walks.c.walk_id == walk_pages.c.walk_id)


def _of(account_id: int, resource: Resource) -> tuple[sa.ColumnElement[bool], ...]:
    return walks.c.account_id == account_id, walks.c.resource == resource.value
