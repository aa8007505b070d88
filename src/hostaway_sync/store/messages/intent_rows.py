"""Rows of the intent ledger as values, and messages as its columns."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from hostaway_sync.model.messages import CommunicationType, Intent, IntentState, OutgoingMessage, Proof
from hostaway_sync.store.audit_log import current_os_user

if TYPE_CHECKING:
    import sqlalchemy as sa


def as_columns(message: OutgoingMessage) -> dict[str, Any]:
    """Return the columns of a message."""
    return {
        "account_id": message.account_id,
        "reservation_id": message.reservation_id,
        "conversation_id": message.conversation_id,
        "channel_type": message.communication_type.value,
        "body": message.body,
        "body_hash": message.body_hash,
    }


def reset_values() -> dict[str, Any]:
    """Return the columns that make a row pending again, and clear what an earlier attempt left."""
    fresh = ("message_id", "proof", "looked_at", "error", "settled_at", "after_message_id", "sending_at")
    return {
        **dict.fromkeys((*fresh, "not_before_at")),
        "looks": 0,
        "state": IntentState.PENDING.value,
        "os_user": current_os_user(),
        "host": socket.gethostname(),
    }


def as_intent(row: sa.Row[Any]) -> Intent:
    """Return a row of the ledger as a value."""
    message = OutgoingMessage(
        account_id=row.account_id,
        reservation_id=row.reservation_id,
        conversation_id=row.conversation_id,
        communication_type=CommunicationType(row.channel_type),
        body=row.body,
        key=row.idempotency_key,
    )
    kept: tuple[str, ...] = (
        "attempt",
        "owner",
        "after_message_id",
        "message_id",
        "looks",
        "looked_at",
        "error",
        "created_at",
    )
    kept += ("sending_at", "settled_at", "is_queued", "quiet_hours", "not_before_at")
    return Intent(
        intent_id=row.intent_id,
        message=message,
        body_hash=bytes(row.body_hash),
        state=IntentState(row.state),
        proof=None if row.proof is None else Proof(row.proof),
        **{name: getattr(row, name) for name in kept},
    )
