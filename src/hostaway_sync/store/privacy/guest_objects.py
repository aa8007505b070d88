"""Which objects of an account belong to a guest: by the reservation, and by the mail address."""

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
    """Return which of these reservations any row is about, and which were forgotten before."""
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
    """Return the conversations of reservations, those too of which only messages are known."""
    found: set[int] = set()
    for table, number in ((conversations, "id"), (conversation_messages, "conversation_id")):
        of_them = table.c.reservation_id == sa.func.any(sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger)))
        query = sa.select(table.c[number]).where(table.c.account_id == account_id, of_them)
        found |= set(connection.scalars(query.where(table.c[number].is_not(None))))
    return found


def find_by_address(
    connection: sa.Connection, account_id: int, addresses: Mapping[str, Collection[str]], words: Vocabulary
) -> dict[str, Owners]:
    """Return the reservations and conversations that have each address.

    Compared here, not by the database: what is a small letter depends on its locale.

    Args:
        connection: reads.
        account_id: whose guests.
        addresses: in their one form, each with the hashes that may stand in its place.
        words: say where in payloads an address may stand.
    """
    forms = {form: address for address, others in addresses.items() for form in (address, *others)}
    found: dict[str, Owners] = {one: {r: set() for r in Resource} for one in addresses}
    for query in _having_addresses(account_id, words):
        for row in connection.execute(query.execution_options(yield_per=_BATCH)):
            written = set(row.texts).union(*map(addresses_in, row.texts))
            for address in {forms[form] for form in written & forms.keys()}:
                found[address][Resource.RESERVATIONS].update({row.reservation} - {None})
                found[address][Resource.CONVERSATIONS].update({row.conversation} - {None})
    return found


def _having_addresses(account_id: int, words: Vocabulary) -> list[sa.Select[Any]]:
    """Return what reads the addresses in each table that has any, and whose they are."""
    none, number = sa.cast(sa.null(), sa.BigInteger), webhook_log.c.object_id
    is_about = webhook_log.c.target_resource
    of_reservation, of_conversation = (
        words.email_paths[Resource.RESERVATIONS],
        words.email_paths[Resource.CONVERSATIONS],
    )
    of_delivery = [(*place, *path) for place in words.delivery_paths for path in of_conversation]
    booked = sa.case((is_about == Resource.RESERVATIONS.value, number))
    talked = sa.case((is_about == Resource.CONVERSATIONS.value, number))
    return [
        _texts(account_id, reservations.c.raw_payload, of_reservation, reservations.c.id, none),
        _texts(
            account_id,
            conversations.c.raw_payload,
            of_conversation,
            conversations.c.reservation_id,
            conversations.c.id,
        ),
        _texts(account_id, webhook_log.c.payload, of_delivery, booked, talked),
    ]


def _texts(
    account_id: int,
    payload: sa.Column[Any],
    paths: Collection[tuple[str, ...]],
    reservation: sa.ColumnElement[Any],
    conversation: sa.ColumnElement[Any],
) -> sa.Select[Any]:
    texts = sa.func.array_remove(array([payload[path].as_string() for path in paths]), None)
    columns = (reservation.label("reservation"), conversation.label("conversation"), texts.label("texts"))
    return sa.select(*columns).where(payload.table.c.account_id == account_id, sa.func.cardinality(texts) > 0)
