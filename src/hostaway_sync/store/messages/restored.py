"""Detects a restored database from its own contents: no pending message is sent twice, and the history goes on.

A backup is older than the messages sent since. A message that is pending in it may have reached its guest, and the
restored tables do not show it. Each database notes its place; the place of a copy differs:

    system_identifier   another server: pg_restore, a copy of the mirror, pg_upgrade
    database_oid        another database of the same server, made by CREATE DATABASE … TEMPLATE, too
    ledger_oid          the same database, the table dropped and made anew: pg_restore --clean
    timeline            the same files, recovered to a moment; or a standby took over, and may lack the last commits

A value that the server does not tell is not compared. A snapshot of the disk keeps all four: after restoring one, a
person runs `database restored`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from hostaway_sync.model.messages import IntentState
from hostaway_sync.store import change_positions, jobs
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
# Every role may call these, unless an administrator or a hosted server revoked it.
_SERVER: Final = """
SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()) AS system_identifier,
       ('x' || left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::bigint AS timeline
"""

log = logging.getLogger(__name__)


def detect_restore(connection: sa.Connection) -> int | None:
    """Compare the noted place of this database with its place now; when they differ, look for every pending message.

    Call it in the transaction that decides about a message. Two processes that notice at once act once.

    Returns:
        How many messages are looked for now; None where the database was not restored.
    """
    here = _here(connection)
    noted = connection.execute(sa.select(database_identity)).all()
    if noted and all(_is_same(row._mapping, here) for row in noted):  # noqa: SLF001  (SQLAlchemy's public name)
        return None
    # Only what was read: another process that noticed since has noted this place already, and has done everything.
    read = database_identity.c.identity_id.in_([row.identity_id for row in noted])
    was_elsewhere = connection.execute(sa.delete(database_identity).where(read)).rowcount > 0
    if noted and not was_elsewhere:
        return None
    connection.execute(sa.insert(database_identity).values(here))
    return _act(connection) if noted else None


def declare_restore(database: Database) -> int:
    """Record that a person says this database was restored; return how many messages are looked for now."""

    def write(connection: sa.Connection) -> int:
        connection.execute(sa.delete(database_identity))
        connection.execute(sa.insert(database_identity).values(_here(connection)))
        return _act(connection)

    return database.transaction(write)


def _act(connection: sa.Connection) -> int:
    """Do what a restored database needs; return how many messages are looked for."""
    change_positions.continue_positions(connection, change_positions.read_offset(connection))
    return _look_for_pending(connection)


def _here(connection: sa.Connection) -> dict[str, int | None]:
    """Return the place of this database, as far as its server tells."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    place = connection.execute(sa.text(_PLACE), {"ledger": quote_identifier(schema, "sent_messages")}).one()
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
    """Move pending | sending → outcome_unknown, mark the threads as due, and defer the jobs that look for them.

    Only messages above the highest id stored in the backup count: those below were there before.
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
    if rows:
        log.warning(
            "the database was restored: %d messages that were pending are looked for in their threads, and none of "
            "them is sent: see `hostaway-sync messages list --state outcome_unknown`",
            len(rows),
        )
    else:
        log.info("the database was restored: no message was pending")
    return len(rows)
