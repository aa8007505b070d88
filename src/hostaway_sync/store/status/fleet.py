"""What an operator sees of some accounts besides the overview: their last runs, and whether anything moved."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.model.records import Mode, RunState
from hostaway_sync.model.status import RunSummary
from hostaway_sync.store.runs.leases import is_running
from hostaway_sync.store.tables import accounts, changes, dead_letters, leases, sent_messages, sync_runs, webhook_log
from hostaway_sync.store.tables.queue import jobs
from hostaway_sync.store.time_marks import is_known, is_within, null_if_unknown
from hostaway_sync.store.webhooks.backlog import select_living_workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OPEN: Final = (RunState.TRIGGERED.value, RunState.RUNNING.value, RunState.RETRYING.value)
_UNSETTLED: Final = ("pending", "sending", "outcome_unknown")
_WAITING: Final = ("pending", "failed")
_LATELY: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_RUN: Final = tuple(
    null_if_unknown(column) if isinstance(column.type, sa.DateTime) else column
    for column in (sync_runs.c[name] for name in ("triggered_at", "started_at", "finished_at", "api_calls", "error"))
)


def read_recent_runs(
    connection: sa.Connection, account_ids: Sequence[int], *, runs: int
) -> dict[int, list[RunSummary]]:
    """Return the last finished runs of accounts, oldest first, in one statement; skipped ones are left out."""
    wanted = accounts.c.account_id == sa.func.any(sa.literal(list(account_ids), sa.ARRAY(sa.BigInteger)))
    is_over = sync_runs.c.state.not_in((*_OPEN, RunState.SKIPPED.value))
    newest = (
        sa.select(sync_runs.c.account_id, sync_runs.c.mode, sync_runs.c.state, *_RUN)
        .where(sync_runs.c.account_id == accounts.c.account_id, is_over, is_known(sync_runs.c.triggered_at))
        .order_by(sync_runs.c.triggered_at.desc())
        .limit(runs)
        .correlate(accounts)
        .lateral("newest")
    )
    query = sa.select(newest).select_from(accounts.join(newest, sa.true())).where(wanted)
    found: dict[int, list[RunSummary]] = {number: [] for number in account_ids}
    for number, mode, state, *rest in connection.execute(query):
        found[number].insert(0, RunSummary(Mode(mode), RunState(state), *rest))
    return found


def read_version(connection: sa.Connection, account_ids: Sequence[int]) -> str:
    """Return a text that is another one whenever something of these accounts that a page shows has moved.

    Each value comes from an index or from few rows, because a page asks every two seconds.
    """
    values = connection.execute(sa.select(*_signs(list(account_ids)))).one()
    return hashlib.blake2b(repr(tuple(values)).encode(), digest_size=12).hexdigest()


def _signs(ids: list[int]) -> Iterator[sa.ScalarSelect[Any]]:
    any_of_them = sa.func.any(sa.literal(ids, sa.ARRAY(sa.BigInteger)))

    def mine(table: sa.Table) -> sa.ColumnElement[bool]:
        return table.c.account_id == any_of_them

    def moved(table: sa.Table, columns: Sequence[str], *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
        parts = sa.func.concat_ws(",", *(sa.cast(table.c[name], sa.Text) for name in columns))
        return sa.select(sa.func.array_agg(sa.distinct(parts))).where(mine(table), *where).scalar_subquery()

    # Of the last minute alone: there is an index by time, and none that leads to the newest change of an account.
    lately = is_within(changes.c.changed_at, _LATELY)
    yield sa.select(sa.func.max(changes.c.change_id)).where(mine(changes), lately).scalar_subquery()
    yield moved(accounts, ("account_id", "name", "is_active", "removed_at", "last_sync_at", "updated_at"))
    yield moved(sync_runs, ("run_id", "state", "api_calls"), sync_runs.c.state.in_(_OPEN))
    today = is_within(sync_runs.c.triggered_at, _DAY)
    yield sa.select(sa.func.max(sync_runs.c.finished_at)).where(mine(sync_runs), today).scalar_subquery()
    yield moved(leases, ("account_id", "owner"), leases.c.owner.is_not(None), is_running())
    yield moved(dead_letters, ("dead_letter_id",), dead_letters.c.resolved_at.is_(None))
    yield moved(sent_messages, ("intent_id", "state", "looks"), sent_messages.c.state.in_(_UNSETTLED))
    waiting = sa.select(sa.func.count()).where(mine(webhook_log), webhook_log.c.status.in_(_WAITING))
    yield waiting.scalar_subquery()
    yield select_living_workers().scalar_subquery()
    number = sa.cast(jobs.c.args.op("->>")(sa.literal_column("'account_id'")), sa.BigInteger)
    todo = sa.select(sa.func.count()).select_from(jobs)
    yield todo.where(sa.cast(jobs.c.status, sa.Text).in_(("todo", "doing")), number == any_of_them).scalar_subquery()
