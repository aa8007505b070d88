"""The intent ledger: messages to guests, stored before they are sent, as a state machine of conditional updates.

pending ──→ sending ──→ sent | failed          as the source answers
   │           └──────→ outcome_unknown        no answer, or the process died after the request left
   └──→ failed                                 no request left: it may be taken up again, on its own row

sending ──→ pending           certainly not sent, and a worker tries again: see `outbox`

outcome_unknown ──→ sent      found in its thread, or a person confirms it
                └─→ failed    a person denies it, or found in its thread as not delivered
sent ←──→ failed              what the source reports of the message later

A process that decides or settles holds the lock on the account's messages. A row belongs to the process that its
`owner` names. That process claims a right of that name until its request is over; `senders` tells whether it lives.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.errors import LeaseLost
from hostaway_sync.model.messages import Intent, IntentState, OutgoingMessage, Proof
from hostaway_sync.store import audit_log
from hostaway_sync.store.audit_log import current_os_user
from hostaway_sync.store.messages import intent_rows, restored, senders
from hostaway_sync.store.postgres.database import note_changes
from hostaway_sync.store.privacy import erased_keys
from hostaway_sync.store.processes import rights
from hostaway_sync.store.tables import conversation_messages
from hostaway_sync.store.tables import sent_messages as ledger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from hostaway_sync.store.postgres.database import Database

DIED: Final = "its process died while it was sending"
_NOW: Final = sa.func.clock_timestamp()
# If the server lost this commit in a crash, the same message would be sent again.
_DURABLY: Final = sa.select(sa.func.set_config("synchronous_commit", "on", True)).where(  # noqa: FBT003  (SQL's)
    sa.func.current_setting("synchronous_commit") == "off"
)


def right_name(account_id: int) -> str:
    """Return the name of the right to the messages of an account."""
    return f"messages of account {account_id}"


def lock_messages(connection: sa.Connection, account_id: int) -> None:
    """Lock the messages of an account until the transaction of `connection` ends."""
    rights.lock_right(connection, right_name(account_id))


def abandon_dead_attempts(connection: sa.Connection, account_id: int) -> None:
    """Move sending → outcome_unknown where the sending process has died. Requires the lock of the account."""
    for intent in _read(connection, ledger.c.account_id == account_id, _is(IntentState.SENDING)):
        if senders.is_gone(connection, intent):
            values = {"state": IntentState.OUTCOME_UNKNOWN.value, "error": DIED}
            move_intent(connection, intent.intent_id, [IntentState.SENDING], values)


def find_by_key(connection: sa.Connection, account_id: int, key: str) -> Intent | None:
    """Return the intent of an idempotency key, also of one whose guest was erased since."""
    is_it = ledger.c.idempotency_key.in_(erased_keys.list_stored_forms(connection, account_id, key))
    return next(iter(_read(connection, ledger.c.account_id == account_id, is_it)), None)


def find_same_text(connection: sa.Connection, message: OutgoingMessage, *, within: timedelta) -> list[Intent]:
    """Return the intents with the same words for the same guest, oldest first: open ones, and those moved `within`."""
    moved_at = sa.func.coalesce(ledger.c.sending_at, ledger.c.created_at)
    is_recent = sa.or_(moved_at > _NOW - within, ledger.c.settled_at.is_(None))
    of_guest = ledger.c.account_id == message.account_id, ledger.c.reservation_id == message.reservation_id
    return _read(connection, *of_guest, ledger.c.body_hash == message.body_hash, is_recent)


def insert_intent(connection: sa.Connection, message: OutgoingMessage, owner: str) -> Intent:
    """Store a new intent, pending."""
    statement = sa.insert(ledger).values(
        **intent_rows.as_columns(message),
        idempotency_key=message.key,
        owner=owner,
        os_user=current_os_user(),
        host=socket.gethostname(),
    )
    row = connection.execute(statement.returning(ledger)).one()
    return _noted(connection, intent_rows.as_intent(row))


def take_up_intent(
    connection: sa.Connection, intent: Intent, message: OutgoingMessage, owner: str, *, is_queued: bool = False
) -> Intent:
    """Move pending | failed → pending: a new attempt on the intent's own row.

    Args:
        connection: its transaction holds the lock of the account.
        intent: the row.
        message: what is sent now; its communication type may differ from the row's.
        owner: the process that sends it.
        is_queued: a worker takes it up, which may return it to the queue.

    Raises:
        LeaseLost: another process has taken it up, or it is neither pending nor failed any more.
    """
    values = {**intent_rows.as_columns(message), **intent_rows.reset_values(), "owner": owner, "is_queued": is_queued}
    if intent.owner != owner:
        values["attempt"] = ledger.c.attempt + 1
    row = move_intent(connection, intent.intent_id, [IntentState.PENDING, IntentState.FAILED], values)
    if row is None:
        raise _taken(intent.intent_id)
    return _noted(connection, row)


def mark_sending(database: Database, intent: Intent, *, after: int) -> Intent:
    """Move pending → sending: from here on it may have been sent.

    Args:
        database: with the ledger; the commit is durable, even where its settings are not.
        intent: a row of this process.
        after: the highest message id that the source showed in the thread.

    Raises:
        LeaseLost: another process has taken the row.
    """
    stored = sa.select(sa.func.max(conversation_messages.c.id)).where(
        conversation_messages.c.account_id == intent.message.account_id,
        conversation_messages.c.conversation_id == intent.message.conversation_id,
    )
    fence = sa.func.greatest(sa.literal(after, sa.BigInteger), stored.scalar_subquery())
    values = {"state": IntentState.SENDING.value, "after_message_id": fence, "sending_at": _NOW}

    def write(connection: sa.Connection) -> Intent:
        connection.execute(_DURABLY)
        restored.detect_restore(connection)
        # It is `sending` already where the answer to our own commit was lost.
        states = [IntentState.PENDING, IntentState.SENDING]
        row = move_intent(connection, intent.intent_id, states, values, ledger.c.owner == intent.owner)
        if row is None:
            raise _taken(intent.intent_id)
        return row

    return database.transaction(write)


def record_answer(
    connection: sa.Connection, intent: Intent, state: IntentState, *, message_id: int | None = None, error: str | None
) -> Intent | None:
    """Move pending | sending | outcome_unknown → `state`, as the answer says; None when it was settled meanwhile."""
    if message_id is not None:
        _unclaim(connection, intent, message_id)
    states = [IntentState.PENDING, IntentState.SENDING, IntentState.OUTCOME_UNKNOWN]
    values = {"message_id": message_id, **_ended(state, Proof.ANSWER, error)}
    return move_intent(connection, intent.intent_id, states, values, ledger.c.owner == intent.owner)


def record_interruption(connection: sa.Connection, intent: Intent, error: str) -> Intent | None:
    """Move pending → failed, or sending → outcome_unknown: the sending process was stopped. None when it is neither."""
    ours = ledger.c.owner == intent.owner
    failed = move_intent(
        connection, intent.intent_id, [IntentState.PENDING], _ended(IntentState.FAILED, Proof.ANSWER, error), ours
    )
    unknown = {"state": IntentState.OUTCOME_UNKNOWN.value, "error": error}
    return failed or move_intent(connection, intent.intent_id, [IntentState.SENDING], unknown, ours)


def list_unsettled(connection: sa.Connection, account_id: int, reservation_id: int | None = None) -> list[Intent]:
    """Return the intents that are sending or whose outcome is unknown, oldest first; of one reservation, or of all."""
    wanted = [ledger.c.account_id == account_id, _is(IntentState.SENDING, IntentState.OUTCOME_UNKNOWN)]
    if reservation_id is not None:
        wanted.append(ledger.c.reservation_id == reservation_id)
    return _read(connection, *wanted)


def find_claimed_message_ids(connection: sa.Connection, account_id: int, conversation_id: int) -> set[int]:
    """Return the ids of the messages in a thread that belong to an intent."""
    query = sa.select(ledger.c.message_id).where(
        ledger.c.account_id == account_id,
        ledger.c.conversation_id == conversation_id,
        ledger.c.message_id.is_not(None),
    )
    return set(connection.scalars(query))


def record_found(connection: sa.Connection, intent: Intent, message_id: int, failure: str | None) -> Intent | None:
    """Move outcome_unknown → sent: the message is in its thread; with `failure` → failed: it was not delivered."""
    state = IntentState.SENT if failure is None else IntentState.FAILED
    values = {"message_id": message_id, **_ended(state, Proof.THREAD, failure)}
    return move_intent(connection, intent.intent_id, [IntentState.OUTCOME_UNKNOWN], values)


def record_look(connection: sa.Connection, intent: Intent, *, at: datetime) -> None:
    """Count a reading of the thread that did not show the message; its state stays."""
    values = {"looks": ledger.c.looks + 1, "looked_at": at}
    move_intent(connection, intent.intent_id, [IntentState.OUTCOME_UNKNOWN], values)


def record_manual_outcome(connection: sa.Connection, intent_id: int, *, was_sent: bool) -> Intent | None:
    """Move outcome_unknown → sent | failed: a person has looked into the thread."""
    state = IntentState.SENT if was_sent else IntentState.FAILED
    error = None if was_sent else "a person has looked: it was not sent"
    return move_intent(connection, intent_id, [IntentState.OUTCOME_UNKNOWN], _ended(state, Proof.PERSON, error))


def record_later_status(connection: sa.Connection, intent: Intent, failure: str | None) -> Intent | None:
    """Move sent → failed, or back: the source changed the status of the message later."""
    state = IntentState.SENT if failure is None else IntentState.FAILED
    values = _ended(state, Proof.THREAD, failure)
    return move_intent(connection, intent.intent_id, [IntentState.SENT, IntentState.FAILED], values)


def find_intent(connection: sa.Connection, intent_id: int) -> Intent | None:
    """Return one intent; None where there is none with this number."""
    rows = _read(connection, ledger.c.intent_id == intent_id)
    return rows[0] if rows else None


def note_intent(connection: sa.Connection, intent: Intent) -> None:
    """Note in the audit log for which caller of the API a message is sent or queued; nothing for anybody else."""
    changes = {"message": intent.intent_id, "reservation_id": intent.message.reservation_id}
    audit_log.note_caller(connection, intent.message.account_id, changes)


def _noted(connection: sa.Connection, intent: Intent) -> Intent:
    note_intent(connection, intent)
    return intent


def _unclaim(connection: sa.Connection, intent: Intent, message_id: int) -> None:
    """Take a message from the intent it was matched to by its text: the answer names another intent."""
    mistaken = (
        ledger.c.account_id == intent.message.account_id,
        ledger.c.conversation_id == intent.message.conversation_id,
        ledger.c.message_id == message_id,
        ledger.c.intent_id != intent.intent_id,
    )
    values = {"state": IntentState.OUTCOME_UNKNOWN.value, "message_id": None, "proof": None, "settled_at": None}
    connection.execute(sa.update(ledger).where(*mistaken).values(values))


def _ended(state: IntentState, proof: Proof, error: str | None) -> dict[str, Any]:
    if state is IntentState.OUTCOME_UNKNOWN:
        return {"state": state.value, "error": error}
    return {"state": state.value, "error": error, "proof": proof.value, "settled_at": _NOW}


def _is(*states: IntentState) -> sa.ColumnElement[bool]:
    # Constants, not parameters: only then the planner can use the partial index of open rows.
    return ledger.c.state.in_([sa.literal_column(f"'{state.value}'") for state in states])


def _read(connection: sa.Connection, *wanted: sa.ColumnElement[bool]) -> list[Intent]:
    rows = connection.execute(sa.select(ledger).where(*wanted).order_by(ledger.c.intent_id))
    return [intent_rows.as_intent(row) for row in rows]


def move_intent(
    connection: sa.Connection,
    intent_id: int,
    states: Sequence[IntentState],
    values: dict[str, Any],
    *wanted: sa.ColumnElement[bool],
) -> Intent | None:
    """Update a row that is in one of these states; None when it is in another, or `wanted` does not hold."""
    note_changes(connection)
    statement = sa.update(ledger).where(ledger.c.intent_id == intent_id, _is(*states), *wanted).values(values)
    row = connection.execute(statement.returning(ledger)).one_or_none()
    return None if row is None else intent_rows.as_intent(row)


def _taken(intent_id: int) -> LeaseLost:
    return LeaseLost(f"message {intent_id} was taken up by another process: this process sent nothing")
