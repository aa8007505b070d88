"""Deletes old rows of finished work: no mirrored row, no work that waits for a person, no newest run of its kind.

Each batch is one statement; batches of two processes at once do not disturb each other.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.errors import HostawaySyncError, StoreError
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.records.observations import KEPT_FOR
from hostaway_sync.store.runs import leases
from hostaway_sync.store.tables import (
    MIRRORED,
    api_limits,
    audit_log,
    automation_deliveries,
    calendar_days,
    calendar_due,
    calendar_writes,
    changes,
    dead_letters,
    job_attempts,
    observations,
    polled_changes,
    quarantined_records,
    request_budget,
    rights,
    sent_messages,
    sync_run_resources,
    sync_runs,
    verification_notes,
    verifications,
    walk_pages,
    walks,
    webhook_log,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)

BATCH: Final = 5_000
_BATCHES: Final = 20
# The end of a run must not wait for pruning: at most this many rows of a table, and this long in all.
_BRIEF_ROWS: Final = 1_000
_BRIEF_SECONDS: Final = 0.1
_ANNOUNCED_WITHIN: Final = timedelta(days=7)
_CUT_FOR: Final = timedelta(days=2)
# Longer than any window of the budget, and than a limit that the source has lowered stays lowered.
_IDLE_BUDGET: Final = timedelta(days=2)
# At least two sweeps: a record without a row that is still listed was seen again by then.
_LISTED_WITHIN: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows of finished work are kept.

    Attributes:
        runs: ended runs and verifications; the newest of each kind is always kept.
        deliveries: processed deliveries, failed attempts, resolved dead letters, and what consumers were told.
        messages: messages to guests whose outcome is known, and their idempotency keys.
        calendar: days of calendars that are over.
        changes: the history of mirrored records.
        audit: entries of the audit log; None: for ever.
    """

    runs: timedelta
    deliveries: timedelta
    messages: timedelta
    calendar: timedelta
    changes: timedelta
    audit: timedelta | None = None


def prune_tables(database: Database, keep: Retention) -> dict[str, int]:
    """Delete all old rows; return how many, by table.

    Raises:
        StoreError: entries of the audit log are to be deleted, and this database user may only add entries.
    """
    _require_right(database, keep)
    counts = {}
    for table, old in _old_rows(keep):
        counts[table.name] = 0
        while rows := database.transaction(partial(_delete, table=table, old=old, limit=BATCH)):
            counts[table.name] += rows
    return counts


def _require_right(database: Database, keep: Retention) -> None:
    if keep.audit is not None and not database.transaction(_may_delete_audits):
        raise StoreError(
            "only the owner of the tables may delete from the audit log: run this as the user who ran `migrate`"
        )


def _may_delete_audits(connection: sa.Connection) -> bool:
    schema = connection.get_execution_options()["schema_translate_map"][None]
    place = quote_identifier(schema, audit_log.name)
    return bool(connection.scalar(sa.select(sa.func.has_table_privilege(place, "DELETE"))))


def prune_settled(database: Database, keep: timedelta) -> None:
    """Delete rows of the queue that were settled longer than `keep` ago, in a bounded number of batches."""
    for table, old in _settled(keep):
        for _ in range(_BATCHES):
            if not database.transaction(partial(_delete, table=table, old=old, limit=BATCH)):
                break


def count_prunable(database: Database, keep: Retention) -> dict[str, int]:
    """Return how many rows `prune_tables` would delete, by table.

    Raises:
        StoreError: as `prune_tables`.
    """
    _require_right(database, keep)

    def read(connection: sa.Connection) -> dict[str, int]:
        asked = {table.name: sa.select(sa.func.count()).select_from(table).where(old) for table, old in _old_rows(keep)}
        return {name: connection.execute(query).scalar_one() for name, query in asked.items()}

    return database.transaction(read)


def prune_briefly(database: Database, keep: Retention, *, seconds: Callable[[], float] = time.monotonic) -> int:
    """Delete a few old rows in a tenth of a second, and return how many; an error is logged and ends the pruning."""
    until, deleted = seconds() + _BRIEF_SECONDS, 0
    for table, old in _old_rows(keep):
        if seconds() > until:
            break
        try:
            deleted += database.attempt(partial(_delete, table=table, old=old, limit=_BRIEF_ROWS, is_brief=True))
        except (HostawaySyncError, sa.exc.SQLAlchemyError) as error:
            log.info("pruning: ended early, goes on after the next run: %s", error)
            break
    return deleted


def _old_rows(keep: Retention) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Return each table with the condition of its old rows.

    No condition depends on the rows that another one deletes, so that counting finds the rows that deleting will.
    """
    is_old = _is_old_run(sync_runs, keep)
    newer_proof, run = verifications.alias(), sync_runs.alias()
    has_newer_proof = sa.exists().where(
        *(newer_proof.c[name] == verifications.c[name] for name in ("account_id", "is_equal", "is_deep")),
        newer_proof.c.verified_at > verifications.c.verified_at,
    )
    stays = sa.exists().where(run.c.run_id == sync_run_resources.c.run_id, ~_is_old_run(run, keep))
    old: list[tuple[sa.Table, sa.ColumnElement[bool]]] = [
        *_abandoned_work(),
        (sync_run_resources, ~stays),
        (sync_runs, is_old),
        (verifications, (verifications.c.finished_at < sa.func.now() - keep.runs) & has_newer_proof),
        *_settled(keep.deliveries),
        (calendar_days, calendar_days.c.date < sa.func.current_date() - _whole_days(keep.calendar)),
        # Marks of listings that are gone: no run reads days that are over.
        (calendar_due, calendar_due.c.last_day < sa.func.current_date() - 1),
        (changes, changes.c.changed_at < sa.func.now() - keep.changes),
        (observations, observations.c.observed_at < sa.func.now() - KEPT_FOR),
        (polled_changes, polled_changes.c.found_at < sa.func.now() - _ANNOUNCED_WITHIN),
        (quarantined_records, _has_no_row(keep.runs)),
        (request_budget, _is_idle()),
        (sent_messages, sent_messages.c.settled_at < sa.func.now() - keep.messages),
        (calendar_writes, calendar_writes.c.settled_at < sa.func.now() - keep.messages),
        # A right whose process died before it gave the right back.
        (rights, rights.c.expires_at < sa.func.now() - _CUT_FOR),
        (api_limits, api_limits.c.full_at < sa.func.now()),
    ]
    if keep.audit is not None:
        old.append((audit_log, audit_log.c.changed_at < sa.func.now() - keep.audit))
    return old


def _whole_days(span: timedelta) -> int:
    return max(1, span.days)


def _abandoned_work() -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Return the conditions of rows that processes left when they died; rows of an account with a held lease stay.

    A walk may outlive its run, and its pages stay with it.
    """
    run, walk = sync_runs.alias(), walks.alias()
    is_over = walk.c.began_at < sa.func.now() - _CUT_FOR
    is_resting = ~is_over | leases.is_held(walk.c.account_id)
    is_open = sa.or_(run.c.finished_at.is_(None), run.c.finished_at > sa.func.now() - _CUT_FOR)
    pages = walk_pages.c
    return [
        (
            walk_pages,
            ~leases.is_held(pages.account_id)
            & ~sa.exists().where(run.c.run_id == pages.run_id, is_open)
            & ~sa.exists().where(walk.c.walk_id == pages.walk_id, is_resting),
        ),
        (walks, (walks.c.began_at < sa.func.now() - _CUT_FOR) & ~leases.is_held(walks.c.account_id)),
        (
            verification_notes,
            ~leases.is_held(verification_notes.c.account_id, verification_notes.c.fencing_token),
        ),
    ]


def _is_old_run(runs: sa.FromClause, keep: Retention) -> sa.ColumnElement[bool]:
    """Return whether a run ended long ago and is not the newest of its mode and state."""
    newer = sync_runs.alias()
    has_newer = sa.exists().where(
        *(newer.c[name] == runs.c[name] for name in ("account_id", "mode", "state")),
        newer.c.triggered_at > runs.c.triggered_at,
    )
    return sa.func.coalesce(runs.c.finished_at < sa.func.now() - keep.runs, sa.false()) & has_newer


def _has_no_row(keep: timedelta) -> sa.ColumnElement[bool]:
    """Return whether a record in quarantine was not listed for long, and no row was made from it."""
    kept = quarantined_records
    is_of_a_row = sa.or_(
        *(
            sa.and_(
                kept.c.resource == resource.value,
                sa.exists().where(
                    table.c.account_id == kept.c.account_id,
                    table.c.id == kept.c.record_id,
                    table.c.payload_hash == kept.c.payload_hash,
                ),
            )
            for resource, table in MIRRORED.items()
        )
    )
    return (kept.c.last_seen_at < sa.func.now() - max(keep, _LISTED_WITHIN)) & ~is_of_a_row


def _is_idle() -> sa.ColumnElement[bool]:
    """Return whether a key of the request budget holds nothing that the next request must respect."""
    known = (request_budget.c[name] for name in ("asked_at", "not_before", "lowered_until", "pressed_at"))
    return sa.func.greatest(*known) < sa.func.now() - _IDLE_BUDGET


def _settled(keep: timedelta) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    before = sa.func.now() - keep
    return [
        (webhook_log, webhook_log.c.processed_at < before),
        (job_attempts, job_attempts.c.finished_at < before),
        (dead_letters, dead_letters.c.resolved_at < before),
        (automation_deliveries, (automation_deliveries.c.settled_at < before) & ~_waits_for_a_person()),
    ]


def _waits_for_a_person() -> sa.ColumnElement[bool]:
    """Return whether an event for a consumer has a dead letter that may have it told again."""
    told, letter = automation_deliveries.c, dead_letters.alias()
    job = sa.func.concat_ws(":", "deliver", told.automation_id, told.change_id)
    return (told.state == "dead") & sa.exists().where(
        letter.c.account_id == told.account_id, letter.c.job == job, letter.c.resolved_at.is_(None)
    )


def _delete(
    connection: sa.Connection, table: sa.Table, old: sa.ColumnElement[bool], limit: int, *, is_brief: bool = False
) -> int:
    if is_brief:
        milliseconds = f"{_BRIEF_SECONDS * 1000:.0f}"
        hasty = (sa.func.set_config(name, milliseconds, sa.true()) for name in ("statement_timeout", "lock_timeout"))
        connection.execute(sa.select(*hasty))
    # Rows that another transaction has locked are left for the next pruning.
    place: sa.ColumnElement[Any] = sa.literal_column("ctid")
    places = sa.select(place).select_from(table).where(old).limit(limit).with_for_update(skip_locked=True, of=table)
    statement = sa.delete(table).where(place == sa.func.any(sa.func.array(places.scalar_subquery())))
    return connection.execute(statement).rowcount
