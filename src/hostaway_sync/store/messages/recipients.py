"""What is stored of a guest to write to: the stay, its threads, and the messages in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.privacy import forgotten
from hostaway_sync.store.records import upsert
from hostaway_sync.store.tables import accounts, conversation_messages, conversations, listings, reservations
from hostaway_sync.store.tables import sent_messages as ledger

if TYPE_CHECKING:
    from datetime import date, datetime

    from hostaway_sync.model.messages import OutgoingMessage
    from hostaway_sync.model.records import Page
    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Stay:
    """A reservation, as far as writing to its guest needs it; `is_gone`: the source has it no longer."""

    account_id: int
    reservation_id: int
    status: str | None
    departure_date: date | None
    is_gone: bool


def find_stays(database: Database, reservation_id: int, account_id: int | None = None) -> list[Stay]:
    """Return the reservations with this id: of one account, or of all accounts that were not removed."""
    query = (
        sa.select(
            reservations.c.account_id,
            reservations.c.id,
            reservations.c.status,
            reservations.c.departure_date,
            reservations.c.missing_since.is_not(None),
        )
        .join_from(reservations, accounts, accounts.c.account_id == reservations.c.account_id)
        .where(reservations.c.id == reservation_id, accounts.c.removed_at.is_(None))
        .order_by(reservations.c.account_id)
    )
    if account_id is not None:
        query = query.where(reservations.c.account_id == account_id)
    return database.transaction(lambda connection: [Stay(*row) for row in connection.execute(query)])


def is_forgotten(connection: sa.Connection, message: OutgoingMessage) -> bool:
    """Return whether the guest of a reservation or of its conversation was forgotten."""
    known = forgotten.read_forgotten(connection, message.account_id)
    return message.reservation_id in known.reservations or message.conversation_id in known.conversations


def list_threads(database: Database, account_id: int, reservation_id: int) -> list[int]:
    """Return the conversations of a reservation, the one with the newest message first."""
    said_at = (
        sa.select(sa.func.max(conversation_messages.c.sent_at))
        .where(
            conversation_messages.c.account_id == account_id,
            conversation_messages.c.conversation_id == conversations.c.id,
            conversation_messages.c.is_final,
            conversation_messages.c.missing_since.is_(None),
        )
        .scalar_subquery()
    )
    query = (
        sa.select(conversations.c.id)
        .where(
            conversations.c.account_id == account_id,
            conversations.c.reservation_id == reservation_id,
            conversations.c.missing_since.is_(None),
        )
        .order_by(said_at.desc().nulls_last(), conversations.c.id.desc())
    )
    return database.transaction(lambda connection: list(connection.scalars(query)))


def find_time_zone(database: Database, account_id: int, reservation_id: int, words: Vocabulary) -> str | None:
    """Return the time zone of a reservation's listing, as the source writes it; None where it is not known."""
    query = (
        sa.select(listings.c.raw_payload[words.time_zone_key].as_string())
        .join_from(
            reservations,
            listings,
            sa.and_(listings.c.account_id == reservations.c.account_id, listings.c.id == reservations.c.listing_id),
        )
        .where(reservations.c.account_id == account_id, reservations.c.id == reservation_id)
    )
    return database.transaction(lambda connection: connection.scalar(query))


def find_last_guest_message(database: Database, account_id: int, conversation_id: int) -> str | None:
    """Return the payload of the guest's last message in a thread; None where the guest wrote nothing."""
    query = (
        sa.select(_PAYLOAD)
        .where(*_in_thread(account_id, conversation_id), conversation_messages.c.is_incoming)
        .order_by(conversation_messages.c.sent_at.desc().nulls_last(), conversation_messages.c.id.desc())
        .limit(1)
    )
    return database.transaction(lambda connection: connection.scalar(query))


def list_messages_after(connection: sa.Connection, account_id: int, conversation_id: int, after: int) -> list[str]:
    """Return the payloads of the messages in a thread with a higher id than `after`, by id."""
    wanted = *_in_thread(account_id, conversation_id), conversation_messages.c.id > after
    return list(connection.scalars(sa.select(_PAYLOAD).where(*wanted).order_by(conversation_messages.c.id)))


def find_thread_read_at(connection: sa.Connection, account_id: int, conversation_id: int) -> datetime | None:
    """Return when the last whole reading of a thread began; None: it was never read whole."""
    query = sa.select(conversations.c.thread_read_at).where(
        conversations.c.account_id == account_id, conversations.c.id == conversation_id
    )
    return connection.scalar(query)


def list_changed_outcomes(connection: sa.Connection, account_id: int) -> list[tuple[int, str]]:
    """Return the intents whose state contradicts the stored status of their message, each with its payload."""
    is_sent = conversation_messages.c.status == sa.literal_column("'sent'")
    query = (
        sa.select(ledger.c.intent_id, _PAYLOAD)
        .join_from(
            ledger,
            conversation_messages,
            sa.and_(
                conversation_messages.c.account_id == ledger.c.account_id,
                conversation_messages.c.id == ledger.c.message_id,
            ),
        )
        .where(ledger.c.account_id == account_id, (ledger.c.state == sa.literal_column("'sent'")) != is_sent)
        .order_by(ledger.c.intent_id)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def store_page(connection: sa.Connection, account_id: int, page: Page, *, intent_id: int | None = None) -> None:
    """Store a page that was read outside of a run, because of a message; `intent_id`: of that one, if it has a row.

    Raises:
        AccountError: the account was disabled or removed.
    """
    cause = Cause(CauseKind.SEND, None if intent_id is None else str(intent_id))
    owner = account_owner.lock_owner(connection, account_id, page.shape.resource, shape=page.shape, cause=cause)
    upsert.write_page(connection, owner, page, is_listed=False)


_PAYLOAD: sa.ColumnElement[Any] = sa.cast(conversation_messages.c.raw_payload, sa.Text)


def _in_thread(account_id: int, conversation_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        conversation_messages.c.account_id == account_id,
        conversation_messages.c.conversation_id == conversation_id,
        conversation_messages.c.missing_since.is_(None),
    )
