"""The intent ledger for people: how many messages need attention, by account, and the newest ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.model.messages import LOOKS_BEFORE_PERSON, IntentState
from hostaway_sync.model.status import MessageBacklog
from hostaway_sync.store.messages.intent_rows import as_intent
from hostaway_sync.store.tables import sent_messages as ledger
from hostaway_sync.store.time_marks import is_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.model.messages import Intent

# A sender waits for a slot of the rate limit, whose window is a minute, and then for an answer.
_STRANDED: Final = timedelta(minutes=10)
_DAY: Final = timedelta(days=1)


def count_by_account(connection: sa.Connection, account_id: int | None) -> dict[int, MessageBacklog]:
    """Count the messages of accounts by what they need, in one statement; an account without any has no entry."""
    # A row from the future counts as old: how long it waited is unknown.
    state, is_old = ledger.c.state, ~is_within(ledger.c.created_at, _STRANDED)
    is_unknown = state == IntentState.OUTCOME_UNKNOWN.value
    is_pending = state == IntentState.PENDING.value
    is_resting = is_pending & (ledger.c.not_before_at > sa.func.now())
    wanted = {
        "unsettled": is_unknown | ((state == IntentState.SENDING.value) & is_old),
        "waiting": is_unknown & (ledger.c.looks >= LOOKS_BEFORE_PERSON),
        "unsent": is_pending & ~ledger.c.is_queued & is_old,
        "undelivered": (state == IntentState.FAILED.value)
        & ledger.c.message_id.is_not(None)
        & is_within(ledger.c.settled_at, _DAY),
        "queued": is_pending & ledger.c.is_queued,
        "resting": is_resting,
    }
    counts = [sa.func.count().filter(condition).label(name) for name, condition in wanted.items()]
    until = sa.func.min(ledger.c.not_before_at).filter(is_resting)
    query = sa.select(ledger.c.account_id, *counts, until).where(sa.or_(*wanted.values())).group_by(ledger.c.account_id)
    if account_id is not None:
        query = query.where(ledger.c.account_id == account_id)
    return {number: MessageBacklog(*numbers) for number, *numbers in connection.execute(query)}


def list_newest(
    connection: sa.Connection, *, states: Sequence[IntentState], account_id: int | None, limit: int
) -> list[Intent]:
    """Return the newest intents in the order of their numbers; of all states and accounts where none is given."""
    wanted: list[sa.ColumnElement[bool]] = []
    if states:
        wanted.append(ledger.c.state.in_([state.value for state in states]))
    if account_id is not None:
        wanted.append(ledger.c.account_id == account_id)
    newest = sa.select(ledger).where(*wanted).order_by(ledger.c.intent_id.desc()).limit(limit)
    return [as_intent(row) for row in reversed(connection.execute(newest).all())]
