"""Estimates the runs that a fleet is about to make, by the last ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.records import Mark, Mode, Resource, RunState
from hostaway_sync.model.run_history import PlanFacts
from hostaway_sync.store.records import suspicions
from hostaway_sync.store.tables import accounts, sync_runs, watermarks
from hostaway_sync.store.time_marks import is_known, null_if_unknown

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.store.postgres.database import Database


def list_outlooks(database: Database) -> tuple[list[PlanFacts], datetime]:
    """Return the outlook of each active account, by id, and the database's time."""
    ours = watermarks.c.account_id == accounts.c.account_id
    query = (
        sa.select(
            accounts.c.account_id,
            *(_last_calls(mode).label(mode.value) for mode in Mode),
            watermarks.c.resource,
            null_if_unknown(watermarks.c.watermark_at),
            null_if_unknown(watermarks.c.swept_at),
            null_if_unknown(watermarks.c.hurried_at),
        )
        .select_from(accounts.outerjoin(watermarks, ours))
        .where(accounts.c.is_active)
        .order_by(accounts.c.account_id)
    )

    def read(connection: sa.Connection) -> tuple[list[PlanFacts], datetime]:
        found: dict[int, PlanFacts] = {}
        since = {(row.account_id, row.resource): row.since for row in connection.execute(suspicions.select_standing())}
        for account_id, full, incremental, resource, watermark_at, swept_at, hurried_at in connection.execute(query):
            if account_id not in found:
                calls = {mode: n for mode, n in zip(Mode, (full, incremental), strict=True) if n is not None}
                found[account_id] = PlanFacts(account_id, {}, calls)
            if resource is not None:
                suspected_at = since.get((account_id, resource))
                mark = Mark(watermark_at, swept_at, suspected_at, hurried_at)
                found[account_id].marks[Resource(resource)] = mark
        return list(found.values()), connection.scalars(sa.select(sa.func.now())).one()

    return database.transaction(read)


def _last_calls(mode: Mode) -> sa.ScalarSelect[int]:
    """Return the query for the API calls of the last whole run of a mode.

    An incremental run that finished an interrupted full one does not count: it cost more than usual.
    """
    before = sync_runs.alias()
    last = sa.select((before.c.mode == Mode.FULL.value) & (before.c.state != RunState.SUCCESS.value)).where(
        before.c.account_id == sync_runs.c.account_id,
        before.c.triggered_at < sync_runs.c.triggered_at,
        before.c.state != RunState.SKIPPED.value,
    )
    after_cut = last.order_by(before.c.triggered_at.desc()).limit(1).scalar_subquery()
    is_usual = ~sa.func.coalesce(after_cut, sa.false())
    return (
        sa.select(sync_runs.c.api_calls)
        .where(
            sync_runs.c.account_id == accounts.c.account_id,
            sync_runs.c.mode == mode.value,
            sync_runs.c.state == RunState.SUCCESS.value,
            is_known(sync_runs.c.triggered_at),
            *([is_usual] if mode is Mode.INCREMENTAL else []),
        )
        .order_by(sync_runs.c.triggered_at.desc())
        .limit(1)
        .scalar_subquery()
    )
