"""Intents that a worker is to send: each has a job, deferred in the transaction that queues the intent.

(nothing) | failed ──→ pending          queued for a worker, perhaps until quiet hours end
pending | sending  ──→ pending          certainly not sent, and worth another try: queued again
pending            ──→ failed           withdrawn
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.messages import IntentState, Proof
from hostaway_sync.store import jobs
from hostaway_sync.store.audit_log import current_os_user
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.messages import intent_rows, ledger
from hostaway_sync.store.tables import sent_messages

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.model.messages import Intent, OutgoingMessage


def insert_queued(
    connection: sa.Connection, message: OutgoingMessage, *, quiet_hours: str | None, not_before_at: datetime | None
) -> Intent:
    """Store a new intent, and defer its job."""
    values = {
        **_waiting(quiet_hours, not_before_at),
        "attempt": 0,
        "os_user": current_os_user(),
        "host": socket.gethostname(),
    }
    statement = sa.insert(sent_messages).values(
        **intent_rows.as_columns(message), idempotency_key=message.key, **values
    )
    intent = intent_rows.as_intent(connection.execute(statement.returning(sent_messages)).one())
    ledger.note_intent(connection, intent)
    jobs.defer_retry(connection, make_job(intent), at=not_before_at)
    return intent


def requeue_intent(
    connection: sa.Connection,
    intent: Intent,
    message: OutgoingMessage,
    *,
    quiet_hours: str | None,
    not_before_at: datetime | None,
) -> Intent | None:
    """Queue an intent that was certainly not sent; None when it is neither pending nor failed any more."""
    values = {**intent_rows.as_columns(message), **intent_rows.reset_values(), **_waiting(quiet_hours, not_before_at)}
    row = ledger.move_intent(connection, intent.intent_id, [IntentState.PENDING, IntentState.FAILED], values)
    if row is not None:
        ledger.note_intent(connection, row)
        jobs.defer_retry(connection, make_job(row), at=not_before_at)
    return row


def return_to_queue(connection: sa.Connection, intent: Intent, error: str | None) -> Intent | None:
    """Queue an intent again that a worker took up and certainly did not send; None when another process has it."""
    unsent = {"owner": None, "error": error, "sending_at": None, "after_message_id": None}
    values = {**unsent, "state": IntentState.PENDING.value}
    ours = sent_messages.c.owner == intent.owner
    return ledger.move_intent(connection, intent.intent_id, [IntentState.PENDING, IntentState.SENDING], values, ours)


def postpone_intent(connection: sa.Connection, intent: Intent, job: Job, at: datetime) -> None:
    """Let an intent and its job wait until `at`."""
    ledger.move_intent(connection, intent.intent_id, [IntentState.PENDING], {"not_before_at": at})
    jobs.defer_retry(connection, job, at=at)


def withdraw_intent(connection: sa.Connection, intent_id: int, why: str, *, proof: Proof) -> Intent | None:
    """Move pending → failed: it is not to be sent. None when it was sent or has ended already."""
    ended = {"state": IntentState.FAILED.value, "proof": proof.value, "settled_at": sa.func.clock_timestamp()}
    return ledger.move_intent(
        connection, intent_id, [IntentState.PENDING], {**ended, "error": why, "not_before_at": None}
    )


def make_job(intent: Intent) -> Job:
    """Return the job that sends a message."""
    return Job(intent.message.account_id, intent_id=intent.intent_id)


def _waiting(quiet_hours: str | None, not_before_at: datetime | None) -> dict[str, object]:
    return {"owner": None, "is_queued": True, "quiet_hours": quiet_hours, "not_before_at": not_before_at}
