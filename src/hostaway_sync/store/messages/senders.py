"""Tells which process sends a message, and whether it may still be sending it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.store.messages.liveness import has_ended
from hostaway_sync.store.processes import last_release_locks, rights
from hostaway_sync.store.processes.names import has_died
from hostaway_sync.store.tables import sent_messages as ledger

if TYPE_CHECKING:
    from hostaway_sync.model.messages import Intent


def right_name(owner: str) -> str:
    """Return the name of the right that a sending process claims until its request is over."""
    return f"sender {owner}"


def is_gone(connection: sa.Connection, intent: Intent) -> bool:
    """Whether no process works on an intent any more; see `liveness`."""
    if intent.owner is None:
        return True
    right = right_name(intent.owner)
    claim = rights.read_claim(connection, right)
    if claim is None and last_release_locks.is_held(
        connection, last_release_locks.lock_for_right(rights.get_schema(connection), right)
    ):
        return False  # a process of the last release is sending it
    marked_ago = sa.select(sa.func.clock_timestamp() - ledger.c.sending_at).where(
        ledger.c.intent_id == intent.intent_id
    )
    return has_ended(
        intent.state,
        is_claimed=claim is not None,
        is_expired=claim is not None and claim.is_expired,
        has_died=has_died(intent.owner),
        since_mark=connection.scalar(marked_ago),
    )
