"""Finds account, stay, thread and communication type of a message; asks the source for what is not mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, MessageRefused, NotFound, UsageError
from hostaway_sync.model.messages import CommunicationType
from hostaway_sync.model.records import Resource
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.messages import recipients as message_recipients
from hostaway_sync.store.records import suspicions

if TYPE_CHECKING:
    from hostaway_sync.messages.settlement import MessageReader
    from hostaway_sync.model.messages import MessageRequest
    from hostaway_sync.model.records import Source
    from hostaway_sync.store.messages.recipients import Stay
    from hostaway_sync.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Address:
    """The guest, the thread and the communication type that a message goes to."""

    stay: Stay
    conversation_id: int
    communication_type: CommunicationType


def find_account(database: Database, request: MessageRequest) -> int:
    """Return the account of a request's reservation: the one that the request names, else the one that has it.

    Raises:
        AccountError: the account is unknown, removed or disabled.
        UsageError: several accounts have such a reservation.
        MessageRefused: no account has such a reservation.
    """
    account_id, reservation_id = request.account_id, request.reservation_id
    if account_id is None:
        found = [stay.account_id for stay in message_recipients.find_stays(database, reservation_id)]
        if len(found) > 1:
            raise UsageError(
                f"accounts {', '.join(map(str, found))} have a reservation {reservation_id}: use --account"
            )
        if not found:
            raise MessageRefused(
                f"no account has a reservation {reservation_id} here: sync first, or use --account to ask the source"
            )
        account_id = found[0]
    return account_queries.get_active_account(database, account_id).account_id


def find_address(
    database: Database,
    source: Source,
    read: MessageReader,
    account_id: int,
    request: MessageRequest,
) -> Address:
    """Return where the message of a request goes.

    Args:
        database: with the mirrored rows.
        source: is asked for a reservation or a conversation that is not mirrored.
        read: reads the payload of a message.
        account_id: the account of the reservation.
        request: what was asked for.

    Raises:
        MessageRefused: there is no such reservation, or it has no such conversation.
        SourceError: the source had to be asked, and did not answer.
    """
    reservation_id, conversation_id = request.reservation_id, request.conversation_id
    stay = _stay(database, source, account_id, reservation_id)
    threads = message_recipients.list_threads(database, account_id, reservation_id)
    if not threads or (conversation_id is not None and conversation_id not in threads):
        _look_up(database, source, account_id, reservation_id)
        threads = message_recipients.list_threads(database, account_id, reservation_id)
    if not threads:
        raise MessageRefused(f"reservation {reservation_id} has no conversation: its guest cannot be written to")
    if conversation_id is not None and conversation_id not in threads:
        known = ", ".join(map(str, threads))
        raise MessageRefused(f"reservation {reservation_id} has no conversation {conversation_id}; it has {known}")
    chosen = conversation_id or threads[0]
    return Address(stay, chosen, request.communication_type or _last_used_by_guest(database, read, account_id, chosen))


def _stay(database: Database, source: Source, account_id: int, reservation_id: int) -> Stay:
    found = message_recipients.find_stays(database, reservation_id, account_id)
    if not found:
        try:
            page = source.get(Resource.RESERVATIONS, reservation_id, why="message: whose stay is it?")
        except (NotFound, Forbidden):
            raise MessageRefused(f"account {account_id} has no reservation {reservation_id}") from None
        database.transaction(partial(message_recipients.store_page, account_id=account_id, page=page))
        found = message_recipients.find_stays(database, reservation_id, account_id)
    return found[0]


def _look_up(database: Database, source: Source, account_id: int, reservation_id: int) -> None:
    try:
        for page in source.walk(Resource.CONVERSATIONS, parent=reservation_id, why="message: which thread?"):
            database.transaction(partial(message_recipients.store_page, account_id=account_id, page=page))
    except NotFound:
        suspicions.raise_suspicion(database, account_id, Resource.RESERVATIONS, reservation_id)
        raise MessageRefused(f"account {account_id} has no reservation {reservation_id} any more") from None


def _last_used_by_guest(
    database: Database, read: MessageReader, account_id: int, conversation_id: int
) -> CommunicationType:
    """Return the communication type of the guest's last message; e-mail where that is unknown."""
    payload = message_recipients.find_last_guest_message(database, account_id, conversation_id)
    said = read(payload) if payload is not None else None
    return (
        CommunicationType(said.communication_type)
        if said is not None and said.communication_type in {way.value for way in CommunicationType}
        else CommunicationType.EMAIL
    )
