"""The objects of an account that belong to a guest, found by reservation or by mail address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from hostaway_sync.model.records import Resource
from hostaway_sync.store.privacy.mail_addresses import addresses_in
from hostaway_sync.store.tables import (
    conversation_messages,
    conversations,
    forgotten_guests,
    quarantined_records,
    reservations,
    sent_messages,
    webhook_log,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hostaway_sync.model.vocabulary import Vocabulary

    Owners = Mapping[Resource, set[int]]

_BATCH: Final = 1000


def find_known_reservations(connection: sa.Connection, account_id: int, ids: Collection[int]) -> set[int]:
    """Return those of these reservations that any row is about, or that were forgotten before."""
    kind = Resource.RESERVATIONS.value
    places: list[tuple[sa.Column[Any], sa.ColumnElement[bool]]] = [
        (reservations.c.id, sa.true()),
        (conversations.c.reservation_id, sa.true()),
        (conversation_messages.c.reservation_id, sa.true()),
        (sent_messages.c.reservation_id, sa.true()),
        (webhook_log.c.object_id, webhook_log.c.target_resource == kind),
        (quarantined_records.c.record_id, quarantined_records.c.resource == kind),
        (forgotten_guests.c.object_id, forgotten_guests.c.resource == kind),
    ]
    wanted = sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger))
    found: set[int] = set()
    for column, is_one in places:
        mine = (column.table.c.account_id == account_id, column == sa.func.any(wanted), is_one)
        found |= set(connection.scalars(sa.select(column).where(*mine).distinct()))
    return found


def find_conversations(connection: sa.Connection, account_id: int, ids: Collection[int]) -> set[int]:
    """Return the ids of the conversations of reservations, also those of which only messages are stored."""
    found: set[int] = set()
    for table, number in ((conversations, "id"), (conversation_messages, "conversation_id")):
        of_them = table.c.reservation_id == sa.func.any(sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger)))
        query = sa.select(table.c[number]).where(table.c.account_id == account_id, of_them)
        found |= set(connection.scalars(query.where(table.c[number].is_not(None))))
    return found


def find_by_address(
    connection: sa.Connection, account_id: int, addresses: Mapping[str, Collection[str]], words: Vocabulary
) -> dict[str, Owners]:
    """Return the reservations and conversations that hold each address.

    Python compares the addresses, not the database, where lower case depends on the locale.

    Args:
        connection: the connection to read with.
        account_id: the account whose guests are searched.
        addresses: normalized addresses, each with the hashes that may stand in its place.
        words: names the places in payloads that hold addresses.
    """
    forms = {form: address for address, others in addresses.items() for form in (address, *others)}
    found: dict[str, Owners] = {one: {r: set() for r in Resource} for one in addresses}
    for query in _address_queries(account_id, words):
        for row in connection.execute(query.execution_options(yield_per=_BATCH)):
            written = set(row.texts).union(*map(addresses_in, row.texts))
            for address in {forms[form] for form in written & forms.keys()}:
                found[address][Resource.RESERVATIONS].update({row.reservation} - {None})
                found[address][Resource.CONVERSATIONS].update({row.conversation} - {None})
    return found


def _address_queries(account_id: int, words: Vocabulary) -> list[sa.Select[Any]]:
    """Return the queries that read addresses and the ids of their owners, one for each table with addresses."""
    none, number = sa.cast(sa.null(), sa.BigInteger), webhook_log.c.object_id
    is_about = webhook_log.c.target_resource
    of_reservation, of_conversation = (
        words.email_paths[Resource.RESERVATIONS],
        words.email_paths[Resource.CONVERSATIONS],
    )
    of_delivery = [(*place, *path) for place in words.delivery_paths for path in of_conversation]
    reservation_id = sa.case((is_about == Resource.RESERVATIONS.value, number))
    conversation_id = sa.case((is_about == Resource.CONVERSATIONS.value, number))
    return [
        _address_query(account_id, reservations.c.raw_payload, of_reservation, reservations.c.id, none),
        _address_query(
            account_id,
            conversations.c.raw_payload,
            of_conversation,
            conversations.c.reservation_id,
            conversations.c.id,
        ),
        _address_query(account_id, webhook_log.c.payload, of_delivery, reservation_id, conversation_id),
    ]


def _address_query(
    account_id: int,
    payload: sa.Column[Any],
    paths: Collection[tuple[str, ...]],
    reservation: sa.ColumnElement[Any],
    conversation: sa.ColumnElement[Any],
) -> sa.Select[Any]:
    texts = sa.func.array_remove(array([payload[path].as_string() for path in paths]), None)
    columns = (reservation.label("reservation"), conversation.label("conversation"), texts.label("texts"))
    return sa.select(*columns).where(payload.table.c.account_id == account_id, sa.func.cardinality(texts) > 0)
