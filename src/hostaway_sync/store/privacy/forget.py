"""Forgets guests: erases their stored data, and remembers their objects so that later data is erased on arrival.

    remember   while no other transaction writes rows or deliveries of the account; from then on no new data is stored
    erase      all stored data, in one transaction, which also writes the audit log

A process that is killed in between has stopped new data, and the next call for the account erases the stored data.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.model.records import Resource
from hostaway_sync.store import audit_log
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.audit_log import Action
from hostaway_sync.store.postgres import change_settings
from hostaway_sync.store.privacy import erased_keys, forgotten, guest_objects, guest_tables
from hostaway_sync.store.privacy.forgotten import ForgottenObjects
from hostaway_sync.store.privacy.guest_rows import Guest
from hostaway_sync.store.tables import (
    MIRRORED,
    accounts,
    conversation_messages,
    forgotten_guests,
    quarantined_records,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hostaway_sync.model.vocabulary import Vocabulary
    from hostaway_sync.store.postgres.database import Database


@dataclass(frozen=True, slots=True)
class ForgetRequest:
    """The guests to forget: those of the given reservations, and those with one of the given mail addresses.

    Attributes:
        reservations: ids of reservations.
        addresses: normalized addresses (see `mail_addresses`), each with the hashes that may stand in its place.
    """

    reservations: Collection[int] = ()
    addresses: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForgetResult:
    """What forgetting guests did.

    Attributes:
        reservations: ids of the reservations whose guests were forgotten.
        conversations: ids of their conversations.
        rows: the number of rows that were erased or emptied, by table; tables without any are left out.
        unknown: ids of requested reservations that no row is about and that were not forgotten before.
        unknown_addresses: number of addresses that were not found; an erased guest has no address any more.
        is_resumed: whether it also erased data that an earlier, interrupted call left.
    """

    reservations: tuple[int, ...]
    conversations: tuple[int, ...]
    rows: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[int, ...] = ()
    unknown_addresses: int = 0
    is_resumed: bool = False


@dataclass(frozen=True, slots=True)
class _Search:
    """The objects that a call is about, and the requested ones that were not found."""

    reservations: frozenset[int]
    conversations: frozenset[int]
    unknown: tuple[int, ...]
    unknown_addresses: int

    def complete(self, erasure: ForgetResult) -> ForgetResult:
        """Return the result with the requested objects that were not found."""
        is_resumed = not (
            self.reservations.issuperset(erasure.reservations) and self.conversations.issuperset(erasure.conversations)
        )
        return replace(erasure, unknown=self.unknown, unknown_addresses=self.unknown_addresses, is_resumed=is_resumed)


class _RollBack(Exception):
    """Ends a preview: the transaction that it leaves is rolled back."""

    def __init__(self, erasure: ForgetResult) -> None:
        super().__init__()
        self.erasure = erasure


def forget_guests(database: Database, account_id: int, wanted: ForgetRequest, words: Vocabulary) -> ForgetResult:
    """Forget guests, and erase the data that an earlier, interrupted call left.

    A repeated call finds nothing. The account may be disabled or removed, but its row must be stored.
    """
    search = database.transaction(partial(_remember_all, account_id=account_id, wanted=wanted, words=words))
    return search.complete(database.transaction(partial(_erase, account_id=account_id, words=words)))


def preview_forgetting(database: Database, account_id: int, wanted: ForgetRequest, words: Vocabulary) -> ForgetResult:
    """Return what `forget_guests` would do: run it in a transaction that is rolled back."""

    def undone(connection: sa.Connection) -> None:
        search = _remember_all(connection, account_id, wanted, words)
        raise _RollBack(search.complete(_erase(connection, account_id, words)))

    try:
        database.transaction(undone)
    except _RollBack as rollback:
        return rollback.erasure
    raise AssertionError  # pragma: no cover  (the preview always raises)


def _remember_all(connection: sa.Connection, account_id: int, wanted: ForgetRequest, words: Vocabulary) -> _Search:
    account_owner.lock_rows_exclusively(connection, account_id)
    # A delivery has a foreign key to this row: deliveries in flight are stored first, later ones see the new entries.
    itself = accounts.c.account_id == account_id
    connection.execute(sa.select(accounts.c.account_id).where(itself).with_for_update())
    ids, conversation_ids = set(wanted.reservations), set[int]()
    unknown = tuple(sorted(ids - guest_objects.find_known_reservations(connection, account_id, ids)))
    owners = guest_objects.find_by_address(connection, account_id, wanted.addresses, words) if wanted.addresses else {}
    for found in owners.values():
        ids |= found[Resource.RESERVATIONS]
        conversation_ids |= found[Resource.CONVERSATIONS]
    conversation_ids |= guest_objects.find_conversations(connection, account_id, ids)
    forgotten.remember_objects(connection, account_id, Resource.RESERVATIONS, ids)
    forgotten.remember_objects(connection, account_id, Resource.CONVERSATIONS, conversation_ids)
    nowhere = sum(not any(found.values()) for found in owners.values())
    return _Search(frozenset(ids), frozenset(conversation_ids), unknown, nowhere)


def _erase(connection: sa.Connection, account_id: int, words: Vocabulary) -> ForgetResult:
    unfinished = (forgotten_guests.c.account_id == account_id, forgotten_guests.c.erased_at.is_(None))
    query = sa.select(forgotten_guests.c.resource, forgotten_guests.c.object_id).where(*unfinished).with_for_update()
    found = connection.execute(query).all()
    if not found:
        return ForgetResult((), ())
    ids = {r: frozenset(row.object_id for row in found if row.resource == r) for r in Resource}
    guest = Guest(account_id, ForgottenObjects(ids[Resource.RESERVATIONS], ids[Resource.CONVERSATIONS]), words)
    guest = guest_tables.identify_guest(connection, guest)
    rows = _erase_everywhere(connection, guest)
    connection.execute(sa.update(forgotten_guests).where(*unfinished).values(erased_at=sa.func.now()))
    erasure = ForgetResult(tuple(sorted(guest.objects.reservations)), tuple(sorted(guest.objects.conversations)), rows)
    changes = {"reservations": list(erasure.reservations), "conversations": list(erasure.conversations), "rows": rows}
    audit_log.add_entry(connection, account_id, Action.FORGOTTEN, changes)
    return erasure


def _erase_everywhere(connection: sa.Connection, guest: Guest) -> dict[str, int]:
    rows: dict[str, int] = {}

    def note(table: sa.Table, touched: int) -> None:
        if touched:
            rows[table.name] = rows.get(table.name, 0) + touched

    table = conversation_messages
    mine = (table.c.account_id == guest.account_id, guest_tables.match_mirrored_rows(Resource.MESSAGES, guest))
    messages = list(connection.scalars(sa.select(table.c.id).where(*mine)))
    change_settings.note_erasure(connection)
    erased_keys.erase_keys(connection, guest.account_id, guest.objects)
    for words in guest_tables.GUEST_TABLES:
        note(words.table, words.erase(connection, guest))
    note(quarantined_records, guest_tables.erase_quarantine(connection, guest, messages))
    for resource in (Resource.RESERVATIONS, Resource.CONVERSATIONS, Resource.MESSAGES):
        note(MIRRORED[resource], guest_tables.erase_payloads(connection, resource, guest))
    return rows
