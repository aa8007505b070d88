"""Time marks: columns that hold a time of the past, and how a mark in the future is read.

A database's clock that once was ahead leaves marks in the future. Compared with now they say "not yet" for days: no
sweep is due, a thread is always due, a row is always newer. So a mark counts as unknown where it is further ahead of
the database's clock than clocks differ. A planned time is no mark, because it lies in the future on purpose.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.errors import StoreError, StoreUnavailable
from hostaway_sync.model.timestamps import EARLIEST, LATEST, MAX_CLOCK_SKEW, FutureMarks, FutureMarksReport
from hostaway_sync.store.tables import MIRRORED, metadata
from hostaway_sync.store.tables.metadata import Timestamp
from hostaway_sync.store.tables.queue import engine_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from hostaway_sync.model.records import Resource
    from hostaway_sync.store.postgres.database import Database

_MIRRORED: Final = ("observed_at", "missing_since", "unlisted_since", "created_at", "updated_at")

# Every column with a time stands in one of these lists; a test compares them with all tables.
MARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("token_issued_at", "webhook_confirmed_at", "last_sync_at", "created_at", "updated_at", "removed_at"),
    "alarms": ("since", "told_at"),
    "api_key_pepper": ("created_at",),
    "api_keys": ("created_at", "revoked_at", "last_used_at"),
    "audit_log": ("changed_at",),
    "automation_cursor": ("moved_at",),
    "automation_deliveries": ("began_at", "created_at", "settled_at"),
    "automations": ("disabled_at", "active_since", "failing_since", "delivered_at", "created_at"),
    "calendar_days": ("observed_at", "created_at", "updated_at"),
    "calendar_due": ("due_at",),
    "calendar_readings": ("asked_at", "read_at", "refused_at"),
    "calendar_writes": ("created_at", "sending_at", "settled_at"),
    "changes": ("changed_at",),
    "conversation_messages": _MIRRORED,
    "conversations": (*_MIRRORED, "thread_due_at", "thread_read_at"),
    "database_identity": ("noted_at",),
    "dead_letters": ("created_at", "resolved_at"),
    "delivery_audits": ("audited_at",),
    "forgotten_guests": ("forgotten_at", "erased_at"),
    "job_attempts": ("started_at", "finished_at"),
    "listings": _MIRRORED,
    "observations": ("observed_at", "noted_at"),
    "polled_changes": ("found_at",),
    "procrastinate_events": ("at",),
    "procrastinate_workers": ("last_heartbeat",),
    "quarantined_records": ("created_at", "last_seen_at"),
    "reader_bindings": ("created_at",),
    "redactions": ("updated_at",),
    "reference_data": _MIRRORED,
    "reference_readings": ("read_at",),
    "reservations": (*_MIRRORED, "thread_due_at"),
    "resource_readings": ("read_at", "whole_at", "refused_at"),
    "resources": _MIRRORED,
    "reviews": _MIRRORED,
    "secrets_store": ("changed_at",),
    "sent_messages": ("looked_at", "created_at", "sending_at", "settled_at"),
    "setbacks": ("noticed_at", "observed_at", "swept_at"),
    "source_outages": ("failing_since", "failed_at", "away_since"),
    "suspicions": ("raised_at", "refused_at"),
    "setting_names": ("noted_at",),
    "tasks": _MIRRORED,
    "sync_runs": ("triggered_at", "started_at", "finished_at"),
    "verifications": ("verified_at", "finished_at"),
    "walks": ("began_at", "watermark_at", "updated_at"),
    "watermarks": ("watermark_at", "swept_at", "hurried_at", "accepted_at", "updated_at"),
    "webhook_log": ("created_at", "processed_at"),
}
PLANS: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("token_expires_at", "webhook_previous_until"),
    "api_keys": ("previous_until", "expires_at"),
    "api_limits": ("full_at",),
    "automation_deliveries": ("not_before_at",),
    "automations": ("previous_until", "not_before_at"),
    "calendar_readings": ("rota_at",),
    "job_attempts": ("next_at",),
    "leases": ("expires_at",),
    "procrastinate_jobs": ("scheduled_at",),
    "reference_readings": ("due_at", "claimed_until"),
    "request_budget": ("not_before", "lowered_until"),
    "resource_readings": ("due_at",),
    "rights": ("expires_at",),
    "sent_messages": ("not_before_at",),
    "source_outages": ("probe_at",),
}
# Marks that the function `reserve_request` moves when the clock was set back.
MOVED_ALONG: Final[Mapping[str, tuple[str, ...]]] = {"request_budget": ("slots", "asked_at", "pressed_at")}
# Times of the platform's own clock, for which `timestamps.is_credible_stamp` decides.
STAMPS: Final[Mapping[str, tuple[str, ...]]] = {
    "changes": ("source_updated_at",),
    "conversation_messages": ("source_updated_at", "sent_at"),
    "conversations": ("source_updated_at",),
    "listings": ("source_updated_at",),
    "polled_changes": ("changed_at",),
    "reservations": ("source_updated_at",),
    "resources": ("source_updated_at",),
    "reviews": ("source_updated_at", "submitted_at"),
    "setbacks": ("source_updated_at",),
    "tasks": ("source_updated_at", "can_start_from", "should_end_by", "started_at", "completed_at"),
}
_TABLES: Final = {**metadata.tables, **engine_metadata.tables}
_LARGE: Final = ("conversation_messages", "conversations", "reservations", "webhook_log", "audit_log", "changes")
# A table of a hundred thousand rows takes a fraction of it; the command that looks through all waits for seconds.
_SCAN_TIMEOUT: Final = sa.text("SET LOCAL statement_timeout TO '1s'")


# Parts of hundreds of statements, which are built anew each time that they run.
_LATEST: Final = sa.func.now() + MAX_CLOCK_SKEW
_EARLIEST: Final = sa.literal(EARLIEST, Timestamp)


@lru_cache(512)
def is_known(mark: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401  (a column of any table or subquery)
    """Return the condition that a mark is set, not in the future, and not before the first time Python can hold."""
    return sa.and_(mark >= _EARLIEST, mark <= _LATEST)


@lru_cache(512)
def null_if_unknown(mark: Any) -> sa.ColumnElement[datetime | None]:  # noqa: ANN401  (as above)
    """Return a mark, or NULL where it is not known (see `is_known`)."""
    return sa.case((is_known(mark), mark))


@lru_cache(512)
def cap_at_now(mark: Any) -> sa.ColumnElement[datetime]:  # noqa: ANN401  (as above)
    """Return a mark, or now where it lies in the future; NULL stays NULL."""
    # LEAST ignores NULL: alone it would return now for a mark that is not set.
    return sa.case((mark.is_not(None), sa.func.least(mark, sa.func.now())))


def is_within(mark: Any, span: timedelta) -> sa.ColumnElement[bool]:  # noqa: ANN401  (as above)
    """Return the condition that a mark is known and not older than `span`."""
    return sa.and_(mark > sa.func.now() - span, mark <= _LATEST)


def reset_future_marks(
    connection: sa.Connection,
    table: sa.Table,
    *wanted: sa.ColumnElement[bool],
    marks: Sequence[sa.ColumnElement[Any]] | None = None,
) -> None:
    """Set the marks of these rows that lie in the future to now; NULL stays NULL.

    Args:
        connection: in a transaction.
        table: of the rows.
        wanted: conditions that choose the rows.
        marks: columns to look at; None: all of the table's.
    """
    marks = marks or [table.c[name] for name in MARKS[table.name]]
    is_ahead = sa.or_(*(mark > _LATEST for mark in marks))
    # Not LEAST, which would set a mark that is NULL.
    values = {mark: sa.case((mark > _LATEST, sa.func.clock_timestamp()), else_=mark) for mark in marks}
    connection.execute(sa.update(table).where(*wanted, is_ahead).values(values))


def reset_future_record_marks(connection: sa.Connection, account_id: int, resource: Resource) -> None:
    """Set to now the marks in the future that say when an account's rows were read, created and changed.

    The other marks decide what is read next; an unknown one must stay unknown.
    """
    table = MIRRORED[resource]
    names = ("observed_at", "created_at", "updated_at")
    reset_future_marks(connection, table, table.c.account_id == account_id, marks=[table.c[name] for name in names])


def find_future_marks(database: Database) -> FutureMarksReport:
    """Return the marks of all tables that lie in the future, and the tables that could not be read."""
    found: list[FutureMarks] = []
    unread: list[str] = []
    for name in sorted(MARKS, key=lambda name: name in _LARGE):
        try:
            found += database.attempt(partial(_find_in_table, table=_TABLES[name]))
        except (StoreError, StoreUnavailable):  # it takes too long, or this role may not read it
            unread.append(name)
    return FutureMarksReport(tuple(found), tuple(unread))


def _find_in_table(connection: sa.Connection, table: sa.Table) -> list[FutureMarks]:
    connection.execute(_SCAN_TIMEOUT)
    columns = [table.c[name] for name in MARKS[table.name]]
    counts = [sa.func.count().filter(column > _LATEST) for column in columns]
    # A mark may lie further ahead than Python's time goes.
    furthest = [sa.func.least(sa.func.max(column), sa.literal(LATEST, Timestamp)) - sa.func.now() for column in columns]
    row: tuple[Any, ...] = tuple(connection.execute(sa.select(*counts, *furthest).select_from(table)).one())
    halves = zip(columns, row[: len(columns)], row[len(columns) :], strict=True)
    return [FutureMarks(f"{table.name}.{column.name}", number, by) for column, number, by in halves if number]
