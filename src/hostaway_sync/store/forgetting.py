"""Forgets guests: everywhere they are now, and for whatever comes of their objects later.

    remember   with nobody writing rows or deliveries of the account: from then on nothing new is stored of them
    erase      everything that is there, in one transaction, which also writes the audit log

Killed in between, nothing comes in any more, and the next call for the account erases what the first one left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.records import Resource
from hostaway_sync.store import audit, forgotten, guests, ownership
from hostaway_sync.store.audit import Action
from hostaway_sync.store.forgotten import Forgotten
from hostaway_sync.store.guests import Guest
from hostaway_sync.store.tables import (
    MIRRORED,
    accounts,
    conversation_messages,
    conversations,
    forgotten_guests,
    quarantined_records,
    reservations,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hostaway_sync.store.engine import Database

# Where an address may stand (API notes, 7.2 and 9.2), as paths into payloads.
_OF_RESERVATION: Final = (("guestEmail",),)
_OF_CONVERSATION: Final = (("guestEmail",), ("recipientEmail",), ("Reservation", "guestEmail"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is to be forgotten: whoever has these reservations, or any of these addresses, in small letters."""

    reservations: Collection[int] = ()
    emails: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What forgetting did: whose objects, and by table in how many rows the guest was; tables without are left out."""

    reservations: tuple[int, ...]
    conversations: tuple[int, ...]
    rows: Mapping[str, int] = field(default_factory=dict)


class _Undone(Exception):
    def __init__(self, erasure: Erasure) -> None:
        super().__init__()
        self.erasure = erasure


def forget(database: Database, account_id: int, wanted: Wanted) -> Erasure:
    """Forget guests, and whoever an earlier call that was cut left behind; again it finds nothing.

    The account may be disabled or removed, but its row must be there.
    """
    database.transaction(partial(_remember, account_id=account_id, wanted=wanted))
    return database.transaction(partial(_erase, account_id=account_id))


def rehearse(database: Database, account_id: int, wanted: Wanted) -> Erasure:
    """Say what `forget` would do; whatever it does is undone."""

    def undone(connection: sa.Connection) -> None:
        _remember(connection, account_id, wanted)
        raise _Undone(_erase(connection, account_id))

    try:
        database.transaction(undone)
    except _Undone as end:
        return end.erasure
    raise AssertionError  # pragma: no cover  (it always ends so)


def _remember(connection: sa.Connection, account_id: int, wanted: Wanted) -> None:
    ownership.hold_alone(connection, account_id)
    # A delivery is stored with a key that refers to this row: those under way end, later ones see what is remembered.
    itself = accounts.c.account_id == account_id
    connection.execute(sa.select(accounts.c.account_id).where(itself).with_for_update())
    ids, talks = set(wanted.reservations), set[int]()
    if wanted.emails:
        ask = partial(_with_address, connection, account_id, emails=wanted.emails)
        ids |= ask(reservations, "id", _OF_RESERVATION) | ask(conversations, "reservation_id", _OF_CONVERSATION)
        talks |= ask(conversations, "id", _OF_CONVERSATION)
    talks |= _talks(connection, account_id, ids)
    forgotten.remember(connection, account_id, Resource.RESERVATIONS, ids)
    forgotten.remember(connection, account_id, Resource.CONVERSATIONS, talks)


def _talks(connection: sa.Connection, account_id: int, ids: Collection[int]) -> set[int]:
    """Give the conversations of reservations, those too of which only messages are known."""
    found: set[int] = set()
    for table, number in ((conversations, "id"), (conversation_messages, "conversation_id")):
        of_them = table.c.reservation_id == sa.func.any(sa.literal(sorted(ids), sa.ARRAY(sa.BigInteger)))
        query = sa.select(table.c[number]).where(table.c.account_id == account_id, of_them)
        found |= set(connection.scalars(query.where(table.c[number].is_not(None))))
    return found


def _with_address(
    connection: sa.Connection,
    account_id: int,
    table: sa.Table,
    number: str,
    paths: Collection[tuple[str, ...]],
    *,
    emails: Collection[str],
) -> set[int]:
    has_it = [sa.func.lower(table.c.raw_payload[path].as_string()).in_(list(emails)) for path in paths]
    query = sa.select(table.c[number]).where(table.c.account_id == account_id, sa.or_(*has_it))
    return set(connection.scalars(query.where(table.c[number].is_not(None))))


def _erase(connection: sa.Connection, account_id: int) -> Erasure:
    unfinished = (forgotten_guests.c.account_id == account_id, forgotten_guests.c.erased_at.is_(None))
    query = sa.select(forgotten_guests.c.resource, forgotten_guests.c.object_id).where(*unfinished).with_for_update()
    found = connection.execute(query).all()
    if not found:
        return Erasure((), ())
    ids = {r: frozenset(row.object_id for row in found if row.resource == r) for r in Resource}
    guest = Guest(account_id, Forgotten(ids[Resource.RESERVATIONS], ids[Resource.CONVERSATIONS]))
    guest = Guest(account_id, guest.objects, guests.traces_of(connection, guest))
    rows = _erase_everywhere(connection, guest)
    connection.execute(sa.update(forgotten_guests).where(*unfinished).values(erased_at=sa.func.now()))
    erasure = Erasure(tuple(sorted(guest.objects.reservations)), tuple(sorted(guest.objects.conversations)), rows)
    changes = {"reservations": list(erasure.reservations), "conversations": list(erasure.conversations), "rows": rows}
    audit.write(connection, account_id, Action.FORGOTTEN, changes)
    return erasure


def _erase_everywhere(connection: sa.Connection, guest: Guest) -> dict[str, int]:
    rows: dict[str, int] = {}

    def note(table: sa.Table, touched: int) -> None:
        if touched:
            rows[table.name] = rows.get(table.name, 0) + touched

    table = conversation_messages
    mine = (table.c.account_id == guest.account_id, guests.theirs(Resource.MESSAGES, guest))
    messages = list(connection.scalars(sa.select(table.c.id).where(*mine)))
    for words in guests.WORDS:
        note(words.table, words.erase(connection, guest))
    note(quarantined_records, guests.erase_quarantine(connection, guest, messages))
    for resource in (Resource.RESERVATIONS, Resource.CONVERSATIONS, Resource.MESSAGES):
        note(MIRRORED[resource], guests.erase_payloads(connection, resource, guest))
    return rows
