from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError
from tests.support.messages import TEXT

from hostaway_sync.errors import LeaseLost
from hostaway_sync.model.messages import CommunicationType, Intent, IntentState, OutgoingMessage
from hostaway_sync.store.messages import ledger, senders
from hostaway_sync.store.messages.listing import count_by_account

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from hostaway_sync.store.postgres.database import Database

MESSAGE = OutgoingMessage(70001, 41, 51, CommunicationType.EMAIL, TEXT)


@pytest.fixture
def store(database: Database) -> Database:
    """Return a database with an account."""
    database.transaction(
        lambda c: c.exec_driver_sql("INSERT INTO hostaway.accounts (account_id, client_secret) VALUES (70001, '')")
    )
    return database


def begun(store: Database, owner: str = "one", key: str | None = None) -> Intent:
    """Store an intent."""
    message = replace(MESSAGE, key=key)
    return store.transaction(lambda connection: ledger.insert_intent(connection, message, owner))


def left(store: Database, intent: Intent) -> Intent:
    """Mark that its request has left."""
    return ledger.mark_sending(store, intent, after=100)


def unknown(store: Database, intent: Intent) -> Intent:
    """Mark its outcome as unknown."""
    state, error = IntentState.OUTCOME_UNKNOWN, "no answer"
    moved = store.transaction(lambda connection: ledger.record_answer(connection, intent, state, error=error))
    assert moved is not None
    return moved


def now_of(store: Database, intent: Intent) -> Intent:
    """Return a row in its present state."""
    row = store.transaction(lambda connection: ledger.find_intent(connection, intent.intent_id))
    assert row is not None
    return row


def test_idempotency_key_is_unique_in_an_account(store: Database) -> None:
    """The table refuses a second one, whatever a program decides; rows without a key are many."""
    begun(store, key="k")
    begun(store)
    begun(store)
    with pytest.raises(IntegrityError):
        begun(store, key="k")


def test_process_that_lost_its_row_sends_nothing(store: Database) -> None:
    """Another process took it: the first one's request does not leave, and its answer changes nothing."""
    mine = begun(store, "one")
    theirs = store.transaction(lambda connection: ledger.take_up_intent(connection, mine, MESSAGE, "two"))
    assert (theirs.attempt, theirs.owner) == (2, "two")
    with pytest.raises(LeaseLost, match="sent nothing"):
        left(store, mine)
    answered = partial(ledger.record_answer, intent=mine, state=IntentState.FAILED, error="refused")
    assert store.transaction(answered) is None
    assert left(store, theirs).state is IntentState.SENDING


def test_unconfirmed_commit_can_be_repeated(store: Database) -> None:
    """A second mark changes nothing; no other process takes a row that is being sent."""
    intent = begun(store)
    assert left(store, intent).state is left(store, intent).state is IntentState.SENDING
    with pytest.raises(LeaseLost):
        store.transaction(lambda connection: ledger.take_up_intent(connection, intent, MESSAGE, "two"))


def test_row_belongs_to_its_process_while_its_claim_lasts(store: Database) -> None:
    """After the claim the outcome is unknown."""
    intent = left(store, begun(store))
    with store.claim(senders.right_name("one")):
        store.transaction(partial(ledger.abandon_dead_attempts, account_id=70001))
        assert now_of(store, intent).state is IntentState.SENDING
    store.transaction(partial(ledger.abandon_dead_attempts, account_id=70001))
    assert now_of(store, intent).state is IntentState.OUTCOME_UNKNOWN
    assert now_of(store, intent).error == ledger.DIED


def test_answer_reclaims_a_message_that_was_matched_by_text(store: Database) -> None:
    """Two rows of the same words: one was settled by the text alone, and the answer belongs to the other."""
    first = unknown(store, left(store, begun(store)))
    second = left(store, begun(store, "two"))
    store.transaction(lambda connection: ledger.record_found(connection, first, 107, None))
    sent = partial(ledger.record_answer, intent=second, state=IntentState.SENT, message_id=107, error=None)
    store.transaction(sent)
    assert now_of(store, second).message_id == 107
    assert (now_of(store, first).state, now_of(store, first).message_id) == (IntentState.OUTCOME_UNKNOWN, None)
    third = unknown(store, left(store, begun(store, "three")))
    with pytest.raises(IntegrityError):
        store.transaction(lambda connection: ledger.record_found(connection, third, 107, None))


def test_interrupted_sender_records_how_far_it_came(store: Database) -> None:
    """Before its request left it failed; after that the outcome is unknown; a settled row stays settled."""
    waiting, gone, done = begun(store), left(store, begun(store)), left(store, begun(store))
    store.transaction(partial(ledger.record_answer, intent=done, state=IntentState.SENT, message_id=107, error=None))
    for intent in (waiting, gone, done):
        store.transaction(partial(ledger.record_interruption, intent=intent, error="stopped"))
    states = [now_of(store, intent).state.value for intent in (waiting, gone, done)]
    assert states == ["failed", "outcome_unknown", "sent"]


def test_thread_and_person_settle_unknown_outcomes_only(store: Database) -> None:
    """No other transition of the state machine exists."""
    moves: list[Callable[[sa.Connection, Intent], object]] = [
        lambda connection, intent: ledger.record_found(connection, intent, 107, None),
        lambda connection, intent: ledger.record_manual_outcome(connection, intent.intent_id, was_sent=True),
        lambda connection, intent: ledger.record_manual_outcome(connection, intent.intent_id, was_sent=False),
    ]
    for intent in (begun(store), left(store, begun(store))):
        for move in moves:
            assert store.transaction(partial(_moved, move=move, intent=intent)) is None
    lost = unknown(store, left(store, begun(store)))
    assert store.transaction(partial(_moved, move=moves[2], intent=lost)) is not None
    assert now_of(store, lost).state is IntentState.FAILED


def _moved(connection: sa.Connection, move: Callable[[sa.Connection, Intent], object], intent: Intent) -> object:
    return move(connection, intent)


def test_messages_that_need_attention_are_counted(store: Database) -> None:
    """Those being sent are left out for ten minutes; an account without any has no entry."""
    assert store.transaction(lambda connection: count_by_account(connection, None)) == {}
    begun(store)
    left(store, begun(store))
    assert store.transaction(lambda connection: count_by_account(connection, None)) == {}
    lost = unknown(store, left(store, begun(store)))
    for _ in range(2):
        at = lost.created_at
        store.transaction(partial(ledger.record_look, intent=lost, at=at))
    store.transaction(
        lambda c: c.exec_driver_sql("UPDATE hostaway.sent_messages SET created_at = created_at - interval '11 min'")
    )
    found = store.transaction(lambda connection: count_by_account(connection, 70001))[70001]
    assert (found.unsettled, found.waiting_for_person, found.unsent, found.undelivered) == (2, 1, 1, 0)
    assert store.transaction(lambda connection: count_by_account(connection, 70002)) == {}
