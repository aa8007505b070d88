"""What the runs under way have met, kept in the database so that their memory does not grow with the account.

A record may be met twice (pages overlap, rows move); it counts once, with the strongest change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.records import Change, Counts, Oddities
from hostaway_sync.store.tables import walk_pages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from hostaway_sync.records import Resource


_RANKS = {change: rank for rank, change in enumerate(Change)}


def add_page(
    connection: sa.Connection,
    run_id: UUID,
    account_id: int,
    resource: Resource,
    changes: Sequence[tuple[int, Change]],
    oddities: Oddities,
) -> None:
    """Note what a page held, in the transaction that wrote it."""
    connection.execute(
        sa.insert(walk_pages).values(
            run_id=run_id,
            account_id=account_id,
            resource=resource.value,
            walk_id=run_id,
            record_keys=[key for key, _ in changes],
            changes=[_RANKS[change] for _, change in changes],
            cleaned=oddities.cleaned,
            misfits=oddities.misfits,
        )
    )


def tally(connection: sa.Connection, run_id: UUID, resource: Resource) -> tuple[Counts, Oddities]:
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
    return Counts(seen=sum(counts.values()), **counts), Oddities(*(int(number or 0) for number in odd))


def met(connection: sa.Connection, run_id: UUID, resource: Resource, *, after_page: int) -> int:
    """Count the distinct records of the pages noted after page `after_page`: those of one attempt of a run."""
    keys = sa.func.unnest(walk_pages.c.record_keys).table_valued("key", name="met").render_derived()
    query = (
        sa.select(sa.func.count(keys.c.key.distinct()))
        .select_from(walk_pages.join(keys, sa.true()))
        .where(
            walk_pages.c.run_id == run_id,
            walk_pages.c.resource == resource.value,
            walk_pages.c.page_id > after_page,
        )
    )
    return connection.execute(query).scalar_one()


def last_page(connection: sa.Connection, run_id: UUID) -> int:
    """Give the number of the last page that a run has noted; 0 for none."""
    query = sa.select(sa.func.coalesce(sa.func.max(walk_pages.c.page_id), 0)).where(walk_pages.c.run_id == run_id)
    return int(connection.execute(query).scalar_one())


def forget(connection: sa.Connection, run_id: UUID) -> None:
    """Empty what a run noted, once it is over."""
    connection.execute(sa.delete(walk_pages).where(walk_pages.c.run_id == run_id))


def forget_others(connection: sa.Connection, account_id: int, run_id: UUID) -> None:
    """Empty what dead runs of an account noted; only under its lease.

    A run that was stopped by a signal, too: its threads may note a page after it was over.
    """
    connection.execute(
        sa.delete(walk_pages).where(walk_pages.c.account_id == account_id, walk_pages.c.run_id != run_id)
    )
