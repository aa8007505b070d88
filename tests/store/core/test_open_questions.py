"""Who waits for an answer."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tests.support.core_rows import add_conversation, add_message, add_stay
from tests.support.records import add_account
from tests.support.sql import execute, rows

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

QUESTIONS = (
    "SELECT conversation_key, reservation_key, guest_name, last_guest_message, hours_waiting FROM core.open_questions"
    " ORDER BY conversation_key"
)


def test_guests_wait_until_a_person_answers(database: Database) -> None:
    """An automated message is no answer, nor one that is not sent yet or that failed; none waits less than 0 hours."""
    add_account(database)
    add_stay(database, 7, 10, ("2026-03-01", "2026-03-02"), guestName="Ida")
    # Conversation 1: the guest wrote twice, an automated message followed: 90 minutes are 1.5 hours.
    add_conversation(database, 1, reservation_id=7)
    add_message(database, 1, 1, 200, body="Hello?")
    add_message(database, 2, 1, 90, body="Is\nanybody there?")
    add_message(database, 3, 1, 60, is_incoming=False, body="Welcome", messageSource="pre-generated")
    # What the source deleted since, and what never came through, are not the last words.
    add_message(database, 12, 1, 20, body="Deleted")
    execute(database, "UPDATE conversation_messages SET missing_since = now() WHERE id = 12")
    add_message(database, 13, 1, 10, status="failed", body="Lost")
    # Conversation 2: a person answered.
    add_conversation(database, 2)
    add_message(database, 4, 2, 90, body="Dogs?")
    add_message(database, 5, 2, 30, is_incoming=False, body="Yes")
    # Conversation 3: an answer waits to be sent, another failed.
    add_conversation(database, 3)
    add_message(database, 6, 3, 60, body="Parking?")
    add_message(database, 7, 3, 30, is_incoming=False, status="awaiting", body="Later")
    add_message(database, 8, 3, 20, is_incoming=False, status="failed", body="Lost")
    # Conversation 4 is gone at the source, 5 has only the host, 6 comes from a clock that is ahead.
    add_conversation(database, 4, missing_since="2026-03-01")
    add_message(database, 9, 4, 60, body="Gone")
    add_conversation(database, 5)
    add_message(database, 10, 5, 60, is_incoming=False, body="Hello")
    add_conversation(database, 6)
    add_message(database, 11, 6, -300, body="Tomorrow?")
    assert rows(database, QUESTIONS) == [
        ("hostaway:1:1", "hostaway:1:7", "Ida", "Is\nanybody there?", Decimal("1.5")),
        ("hostaway:1:3", None, None, "Parking?", Decimal("1.0")),
        ("hostaway:1:6", None, None, "Tomorrow?", Decimal(0)),
    ]
