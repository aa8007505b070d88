"""A database that was restored: recognised from itself alone, so that what it holds as pending is not sent twice.

A backup is older than what was sent since. A message that is pending in it may have reached its guest, and nothing in
the restored tables says so. Each database notes where it is; a copy is elsewhere:

    system_identifier   another server: pg_restore, a copy of the mirror, pg_upgrade
    database_oid        another database of the same server, made by CREATE DATABASE … TEMPLATE, too
    ledger_oid          the same database, the table dropped and made anew: pg_restore --clean
    timeline            the same files, recovered to a moment; or a standby took over, and may lack the last commits

What a server does not tell is not compared. A snapshot of the disk has all four as they were: there a person says it,
by `database restored`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from hostaway_sync.model.messages import IntentState
from hostaway_sync.store import jobs
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.tables import conversation_messages, conversations, database_identity
from hostaway_sync.store.tables import sent_messages as ledger
from hostaway_sync.store.time_marks import null_if_unknown

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

RESTORED: Final = "the database was restored from a backup: it may have been sent since that was made"
_PARTS: Final = ("system_identifier", "timeline", "database_oid", "ledger_oid")
_PLACE: Final = """
SELECT (SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS database_oid,
       pg_catalog.to_regclass(:ledger)::oid::bigint AS ledger_oid
"""
# Everybody may ask, unless an administrator or a hosted server says otherwise.
_SERVER: Final = """
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) AS system_identifier,
       ('x' || left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::bigint AS timeline
"""

log = logging.getLogger(__name__)


def detect_restore(connection: sa.Connection) -> int | None:
    """Note where this database is, or that it was restored; then what is pending is looked for before anything leaves.

    Whoever decides about a message asks in the same transaction. Two who notice at once do it once.

    Returns:
        How many messages are looked for now; None where nothing was restored.
    """
    here = _here(connection)
    noted = connection.execute(sa.select(*(database_identity.c[name] for name in _PARTS))).all()
    if noted and all(_is_same(row._mapping, here) for row in noted):  # noqa: SLF001  (SQLAlchemy's public name)
        return None
    was_elsewhere = connection.execute(sa.delete(database_identity)).rowcount > 0
    if noted and not was_elsewhere:
        return None  # another process noticed a moment ago, and has seen to all of it
    connection.execute(sa.insert(database_identity).values(here))
    return _look_for_pending(connection) if noted else None


def declare_restore(database: Database) -> int:
    """Believe a person that this database was restored; give how many messages are looked for now."""

    def write(connection: sa.Connection) -> int:
        connection.execute(sa.delete(database_identity))
        connection.execute(sa.insert(database_identity).values(_here(connection)))
        return _look_for_pending(connection)

    return database.transaction(write)


def _here(connection: sa.Connection) -> dict[str, int | None]:
    """Return where this database is, as far as its server tells."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    place = connection.execute(sa.text(_PLACE), {"ledger": f"{quote_identifier(schema)}.sent_messages"}).one()
    here: dict[str, int | None] = {**dict.fromkeys(_PARTS), **place._asdict()}
    try:
        with connection.begin_nested():
            here |= connection.execute(sa.text(_SERVER)).one()._asdict()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
    return here


def _is_same(noted: Any, here: dict[str, int | None]) -> bool:  # noqa: ANN401  (a row's mapping)
    return all(here[name] in {None, noted[name]} or noted[name] is None for name in _PARTS)


def _look_for_pending(connection: sa.Connection) -> int:
    """Move pending | sending → outcome_unknown, have the threads read, and have workers look at once.

    What the mirror held of a thread when the backup was made is not the message that is looked for.
    """
    newest = sa.select(sa.func.max(conversation_messages.c.id)).where(
        conversation_messages.c.account_id == ledger.c.account_id,
        conversation_messages.c.conversation_id == ledger.c.conversation_id,
    )
    moved = (
        sa.update(ledger)
        .where(ledger.c.state.in_([IntentState.PENDING.value, IntentState.SENDING.value]))
        .values(
            state=IntentState.OUTCOME_UNKNOWN.value,
            error=RESTORED,
            sending_at=sa.func.coalesce(ledger.c.sending_at, ledger.c.created_at),
            after_message_id=sa.func.coalesce(ledger.c.after_message_id, newest.scalar_subquery(), 0),
            not_before_at=None,
            looks=0,
            looked_at=None,
        )
        .returning(ledger.c.account_id, ledger.c.conversation_id, ledger.c.intent_id, ledger.c.is_queued)
    )
    rows = sorted(connection.execute(moved).all(), key=lambda row: row.intent_id)
    for row in rows:
        connection.execute(
            sa.update(conversations)
            .where(conversations.c.account_id == row.account_id, conversations.c.id == row.conversation_id)
            .values(
                thread_due_at=sa.func.greatest(
                    null_if_unknown(conversations.c.thread_due_at), sa.func.clock_timestamp()
                )
            )
        )
        if row.is_queued:
            jobs.defer_job(connection, Job(row.account_id, intent_id=row.intent_id))
    log.warning(
        "the database was restored: %d messages that were pending are looked for in their threads, and none of them "
        "is sent: see `hostaway-sync messages list --state outcome_unknown`",
        len(rows),
    )
    return len(rows)
