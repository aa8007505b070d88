"""Documents of `send-message`, `messages …` and `dead-letters …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from hostaway_sync.app.documents.times import iso

if TYPE_CHECKING:
    from hostaway_sync.app.messages.batches import BatchLineResult
    from hostaway_sync.app.messages.composer import PreparedMessage
    from hostaway_sync.model.messages import Intent
    from hostaway_sync.store.dead_letters import DeadLetter


def message_document(intent: Intent) -> dict[str, Any]:
    """Return a row of the ledger without its text."""
    message = intent.message
    return {
        "intent_id": intent.intent_id,
        "account_id": message.account_id,
        "reservation_id": message.reservation_id,
        "conversation_id": message.conversation_id,
        "channel_type": message.communication_type.value,
        "idempotency_key": message.key,
        "state": intent.state.value,
        "message_id": intent.message_id,
        "proof": intent.proof.value if intent.proof else None,
        "attempt": intent.attempt,
        "looks": intent.looks,
        "is_queued": intent.is_queued,
        "quiet_hours": intent.quiet_hours,
        "waits_for_person": intent.waits_for_person,
        "error": intent.error,
        "created_at": iso(intent.created_at),
        "not_before_at": iso(intent.not_before_at),
        "sending_at": iso(intent.sending_at),
        "settled_at": iso(intent.settled_at),
        "looked_at": iso(intent.looked_at),
    }


def message_text_document(intent: Intent) -> dict[str, Any]:
    """Return a row of the ledger with its text."""
    return {**message_document(intent), "text": intent.message.body}


def sent_message_document(intent: Intent, *, sent_now: bool) -> dict[str, Any]:
    """Return a row of the ledger, and whether this command sent it."""
    return {**message_document(intent), "sent_now": sent_now}


def outlook_document(draft: PreparedMessage, *, would_send: bool, why_not: str | None) -> dict[str, Any]:
    """Return what sending a message would do."""
    message = draft.message
    return {
        "account_id": message.account_id,
        "reservation_id": message.reservation_id,
        "conversation_id": message.conversation_id,
        "channel_type": message.communication_type.value,
        "idempotency_key": message.key,
        "text": message.body,
        "concerns": list(draft.concerns),
        "would_send": would_send,
        "waits_until": iso(draft.until),
        "why_not": why_not,
    }


def batch_line_document(outcome: BatchLineResult) -> dict[str, Any]:
    """Return what became of one line of a batch."""
    return {
        "line": outcome.line.number,
        "reservation_id": outcome.line.request.reservation_id,
        "idempotency_key": outcome.line.request.key,
        "placed": outcome.state.value,
        "why_not": outcome.why,
        "waits_until": iso(outcome.until),
        "message": message_document(outcome.intent) if outcome.intent else None,
    }


def batch_document(*, queued: int, known: int, refused: int, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what became of a batch: its lines by `batch_line_document`."""
    return {"queued": queued, "known": known, "refused": refused, "lines": lines}


def dead_letter_document(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter without what may be long."""
    whole = dead_letter_details_document(letter)
    return {key: value for key, value in whole.items() if key not in {"payload", "headers", "history", "traceback"}}


def dead_letter_details_document(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter with its whole story."""
    return {
        "dead_letter_id": letter.dead_letter_id,
        "kind": letter.kind,
        "account_id": letter.account_id,
        "target_resource": letter.target_resource,
        "target_id": letter.target_id,
        "job": letter.job,
        "deliveries": letter.deliveries,
        "payload": letter.payload,
        "headers": letter.headers,
        "error": letter.error,
        "traceback": letter.traceback,
        "history": letter.history,
        "created_at": iso(letter.created_at),
        "resolved_at": iso(letter.resolved_at),
        "resolution": letter.resolution,
    }


def resolved_document(how: Literal["retried", "discarded"], dead_letter_ids: list[int]) -> dict[str, Any]:
    """Return which dead letters were resolved, and how."""
    return {how: dead_letter_ids}
