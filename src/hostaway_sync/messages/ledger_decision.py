"""Reads the ledger and decides what is done about a message; see `decision`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import MessageRefused
from hostaway_sync.messages.decision import REPEAT_WITHIN, SENDS, Decision, decide_step
from hostaway_sync.model.messages import IntentState
from hostaway_sync.store import jobs
from hostaway_sync.store.messages import ledger, recipients, senders

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hostaway_sync.model.messages import OutgoingMessage


def decide_by_ledger(
    connection: Connection, message: OutgoingMessage, owner: str, *, again: bool, queued_too: bool = False
) -> Decision:
    """Decide what is done about a message, by the ledger. Requires the lock of the account; see `decide_step`.

    Raises:
        MessageRefused: it would be sent, and its guest was forgotten.
    """
    of_key = ledger.find_by_key(connection, message.account_id, message.key) if message.key is not None else None
    same_text = ledger.find_same_text(connection, message, within=REPEAT_WITHIN)
    candidates = {one.intent_id: one for one in (*same_text, *((of_key,) if of_key else ()))}.values()
    dead = {
        one.intent_id for one in candidates if one.state is IntentState.PENDING and senders.is_gone(connection, one)
    }
    now = jobs.read_clock(connection)
    decision = decide_step(
        message, of_key, same_text, owner=owner, dead=dead, now=now, again=again, queued_too=queued_too
    )
    if decision.step in SENDS:
        require_remembered(connection, message)
    return decision


def require_remembered(connection: Connection, message: OutgoingMessage) -> None:
    """Check that the guest of a message was not forgotten: the ledger would keep the text of the message.

    Without its text, a message whose outcome is unknown could not be found in its thread, and might be sent twice.

    Raises:
        MessageRefused: the guest was forgotten.
    """
    if recipients.is_forgotten(connection, message):
        raise MessageRefused(forgotten_sentence(message))


def forgotten_sentence(message: OutgoingMessage) -> str:
    """Return why a forgotten guest gets no message, and what to do."""
    return (
        f"the guest of reservation {message.reservation_id} was forgotten, and a text sent from here would be stored: "
        "nothing was sent; write to the guest in the inbox of the platform itself"
    )
