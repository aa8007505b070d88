"""Marks about the past: which columns hold them, and what one is worth that lies in the future.

A database's clock that was ahead once leaves marks of a time that has not come. Compared with now they say "not yet"
for days: no sweep is due, a thread is always due, a row is always newer. So a mark further ahead of the database's
clock than clocks differ counts as unknown, wherever it is read. A planned time is no mark: it is meant to lie ahead.
"""

from __future__ import annotations

from functools import partial
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

# Every column with a time stands in one of these lists; a test goes through all tables.
MARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("token_issued_at", "webhook_confirmed_at", "last_sync_at", "created_at", "updated_at", "removed_at"),
    "alarms": ("since", "told_at"),
    "audit_log": ("changed_at",),
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
    "reservations": (*_MIRRORED, "thread_due_at"),
    "secrets_store": ("changed_at",),
    "sent_messages": ("looked_at", "created_at", "sending_at", "settled_at"),
    "setbacks": ("noticed_at", "observed_at", "swept_at"),
    "source_outages": ("failing_since", "failed_at", "away_since"),
    "suspicions": ("raised_at", "refused_at"),
    "setting_names": ("noted_at",),
    "sync_runs": ("triggered_at", "started_at", "finished_at"),
    "verifications": ("verified_at", "finished_at"),
    "walks": ("began_at", "watermark_at", "updated_at"),
    "watermarks": ("watermark_at", "swept_at", "hurried_at", "accepted_at", "updated_at"),
    "webhook_log": ("created_at", "processed_at"),
}
PLANS: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("token_expires_at", "webhook_previous_until"),
    "job_attempts": ("next_at",),
    "leases": ("expires_at",),
    "procrastinate_jobs": ("scheduled_at",),
    "request_budget": ("not_before", "lowered_until"),
    "rights": ("expires_at",),
    "sent_messages": ("not_before_at",),
    "source_outages": ("probe_at",),
}
# Marks that move along with a clock that was set back: the function `reserve_request` sees to that.
MOVED_ALONG: Final[Mapping[str, tuple[str, ...]]] = {"request_budget": ("slots", "asked_at", "pressed_at")}
# Times of the platform's own clock, for which `timestamps.is_credible_stamp` decides.
STAMPS: Final[Mapping[str, tuple[str, ...]]] = {
    "conversation_messages": ("source_updated_at", "sent_at"),
    "conversations": ("source_updated_at",),
    "listings": ("source_updated_at",),
    "polled_changes": ("changed_at",),
    "reservations": ("source_updated_at",),
    "setbacks": ("source_updated_at",),
}
_TABLES: Final = {**metadata.tables, **engine_metadata.tables}
_LARGE: Final = ("conversation_messages", "conversations", "reservations", "webhook_log", "audit_log")
# Tables of a hundred thousand rows take a fraction of it; whoever asks waits for some seconds at most.
_PATIENCE: Final = sa.text("SET LOCAL statement_timeout TO '1s'")


def is_known(mark: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401  (a column of whatever a query reads from)
    """Whether a mark is there and neither from the future nor before the first moment that we can hold."""
    return sa.and_(mark >= sa.literal(EARLIEST, Timestamp), mark <= _latest())


def null_if_unknown(mark: Any) -> sa.ColumnElement[datetime | None]:  # noqa: ANN401  (as above)
    """Return a mark, or NULL where it is not known."""
    return sa.case((is_known(mark), mark))


def cap_at_now(mark: Any) -> sa.ColumnElement[datetime]:  # noqa: ANN401  (as above)
    """Return a mark, or now where it is from the future: a mark about the past is no later than that; NULL stays so."""
    # LEAST alone takes now for the smaller of it and a mark that is not set.
    return sa.case((mark.is_not(None), sa.func.least(mark, sa.func.now())))


def is_within(mark: Any, span: timedelta) -> sa.ColumnElement[bool]:  # noqa: ANN401  (as above)
    """Whether a mark is known, and not older than `span`."""
    return sa.and_(mark > sa.func.now() - span, mark <= _latest())


def reset_future_marks(
    connection: sa.Connection,
    table: sa.Table,
    *wanted: sa.ColumnElement[bool],
    marks: Sequence[sa.ColumnElement[Any]] | None = None,
) -> None:
    """Set what lies ahead among the marks of these rows, or among some of them, to now; unset ones stay so."""
    marks = marks or [table.c[name] for name in MARKS[table.name]]
    is_ahead = sa.or_(*(mark > _latest() for mark in marks))
    # Not LEAST, which takes an unset mark for the smaller of the two.
    values = {mark: sa.case((mark > _latest(), sa.func.clock_timestamp()), else_=mark) for mark in marks}
    connection.execute(sa.update(table).where(*wanted, is_ahead).values(values))


def reset_future_record_marks(connection: sa.Connection, account_id: int, resource: Resource) -> None:
    """Set what lies ahead of when an account's rows of a resource were read, made and changed to now.

    The other marks decide what is read next: what is not known of them must stay unknown.
    """
    table = MIRRORED[resource]
    names = ("observed_at", "created_at", "updated_at")
    reset_future_marks(connection, table, table.c.account_id == account_id, marks=[table.c[name] for name in names])


def find_future_marks(database: Database) -> FutureMarksReport:
    """Look through every table for marks that lie in the future."""
    found: list[FutureMarks] = []
    unread: list[str] = []
    for name in sorted(MARKS, key=lambda name: name in _LARGE):
        try:
            found += database.attempt(partial(_ahead, table=_TABLES[name]))
        except (StoreError, StoreUnavailable):  # it takes too long, or is not ours to read
            unread.append(name)
    return FutureMarksReport(tuple(found), tuple(unread))


def _ahead(connection: sa.Connection, table: sa.Table) -> list[FutureMarks]:
    connection.execute(_PATIENCE)
    columns = [table.c[name] for name in MARKS[table.name]]
    counts = [sa.func.count().filter(column > _latest()) for column in columns]
    # A mark may lie further ahead than Python's time goes.
    furthest = [sa.func.least(sa.func.max(column), sa.literal(LATEST, Timestamp)) - sa.func.now() for column in columns]
    row: tuple[Any, ...] = tuple(connection.execute(sa.select(*counts, *furthest).select_from(table)).one())
    halves = zip(columns, row[: len(columns)], row[len(columns) :], strict=True)
    return [FutureMarks(f"{table.name}.{column.name}", number, by) for column, number, by in halves if number]


def _latest() -> sa.ColumnElement[datetime]:
    return sa.func.now() + MAX_CLOCK_SKEW
