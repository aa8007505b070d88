"""Messages to guests that need a look, by account."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from hostaway_sync.intents import LOOKS, IntentState
from hostaway_sync.store.facts import Letters
from hostaway_sync.store.tables import sent_messages as ledger

# Whoever sends waits for a slot of the limit, which has a window of a minute, and then for an answer.
_STRANDED: Final = timedelta(minutes=10)
_DAY: Final = timedelta(days=1)


def letters(connection: sa.Connection, account_id: int | None) -> dict[int, Letters]:
    """Give the numbers, in one statement however many accounts there are; an account without any has no entry."""
    state, age = ledger.c.state, sa.func.now() - ledger.c.created_at
    is_unknown = state == IntentState.OUTCOME_UNKNOWN.value
    wanted = {
        "unsettled": is_unknown | ((state == IntentState.SENDING.value) & (age > _STRANDED)),
        "waiting": is_unknown & (ledger.c.looks >= LOOKS),
        "unsent": (state == IntentState.PENDING.value) & (age > _STRANDED),
        "undelivered": (state == IntentState.FAILED.value)
        & ledger.c.message_id.is_not(None)
        & (ledger.c.settled_at > sa.func.now() - _DAY),
    }
    counts = [sa.func.count().filter(condition).label(name) for name, condition in wanted.items()]
    query = sa.select(ledger.c.account_id, *counts).where(sa.or_(*wanted.values())).group_by(ledger.c.account_id)
    if account_id is not None:
        query = query.where(ledger.c.account_id == account_id)
    return {number: Letters(*numbers) for number, *numbers in connection.execute(query)}
