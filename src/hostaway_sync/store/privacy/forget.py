"""Forgets guests: everywhere they are now, and for whatever comes of their objects later.

    remember   with nobody writing rows or deliveries of the account: from then on nothing new is stored of them
    erase      everything that is there, in one transaction, which also writes the audit log

Killed in between, nothing comes in any more, and the next call for the account erases what the first one left.
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
from hostaway_sync.store.privacy import erased_keys, forgotten, guest_objects, guest_tables
from hostaway_sync.store.privacy.forgotten import ForgottenObjects
from hostaway_sync.store.privacy.guest_tables import Guest
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
    """Who is to be forgotten: whoever has these reservations, or any of these addresses.

    Attributes:
        reservations: their ids.
        addresses: each in its one form (see `mailboxes`), with the hashes that may stand in its place.
    """

    reservations: Collection[int] = ()
    addresses: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForgetResult:
    """What forgetting did.

    Attributes:
        reservations: whose guests are forgotten.
        conversations: the same.
        rows: by table, in how many rows the guest was; tables without are left out.
        unknown: reservations that were asked for, that no row is about and that were not forgotten before.
        unknown_addresses: how many of the addresses are nowhere; a guest who was erased before has none any more.
        is_resumed: it also erased what an earlier call that was cut left behind.
    """

    reservations: tuple[int, ...]
    conversations: tuple[int, ...]
    rows: Mapping[str, int] = field(default_factory=dict)
    unknown: tuple[int, ...] = ()
    unknown_addresses: int = 0
    is_resumed: bool = False


@dataclass(frozen=True, slots=True)
class _Sought:
    """Whom a call is about, and what of it is nowhere."""

    reservations: frozenset[int]
    conversations: frozenset[int]
    unknown: tuple[int, ...]
    unknown_addresses: int

    def noted(self, erasure: ForgetResult) -> ForgetResult:
        """Return what was done, with what was not found."""
        is_resumed = not (
            self.reservations.issuperset(erasure.reservations) and self.conversations.issuperset(erasure.conversations)
        )
        return replace(erasure, unknown=self.unknown, unknown_addresses=self.unknown_addresses, is_resumed=is_resumed)


class _Undone(Exception):
    def __init__(self, erasure: ForgetResult) -> None:
        super().__init__()
        self.erasure = erasure


def forget_guests(database: Database, account_id: int, wanted: ForgetRequest, words: Vocabulary) -> ForgetResult:
    """Forget guests, and whoever an earlier call that was cut left behind; again it finds nothing.

    The account may be disabled or removed, but its row must be there.
    """
    sought = database.transaction(partial(_remember, account_id=account_id, wanted=wanted, words=words))
    return sought.noted(database.transaction(partial(_erase, account_id=account_id, words=words)))


def preview_forgetting(database: Database, account_id: int, wanted: ForgetRequest, words: Vocabulary) -> ForgetResult:
    """Say what `forget_guests` would do; whatever it does is undone."""

    def undone(connection: sa.Connection) -> None:
        sought = _remember(connection, account_id, wanted, words)
        raise _Undone(sought.noted(_erase(connection, account_id, words)))

    try:
        database.transaction(undone)
    except _Undone as end:
        return end.erasure
    raise AssertionError  # pragma: no cover  (it always ends so)


def _remember(connection: sa.Connection, account_id: int, wanted: ForgetRequest, words: Vocabulary) -> _Sought:
    account_owner.lock_rows_exclusively(connection, account_id)
    # A delivery is stored with a key that refers to this row: those under way end, later ones see what is remembered.
    itself = accounts.c.account_id == account_id
    connection.execute(sa.select(accounts.c.account_id).where(itself).with_for_update())
    ids, talks = set(wanted.reservations), set[int]()
    unknown = tuple(sorted(ids - guest_objects.find_known_reservations(connection, account_id, ids)))
    owners = guest_objects.find_by_address(connection, account_id, wanted.addresses, words) if wanted.addresses else {}
    for found in owners.values():
        ids |= found[Resource.RESERVATIONS]
        talks |= found[Resource.CONVERSATIONS]
    talks |= guest_objects.find_conversations(connection, account_id, ids)
    forgotten.remember_objects(connection, account_id, Resource.RESERVATIONS, ids)
    forgotten.remember_objects(connection, account_id, Resource.CONVERSATIONS, talks)
    nowhere = sum(not any(found.values()) for found in owners.values())
    return _Sought(frozenset(ids), frozenset(talks), unknown, nowhere)


def _erase(connection: sa.Connection, account_id: int, words: Vocabulary) -> ForgetResult:
    unfinished = (forgotten_guests.c.account_id == account_id, forgotten_guests.c.erased_at.is_(None))
    query = sa.select(forgotten_guests.c.resource, forgotten_guests.c.object_id).where(*unfinished).with_for_update()
    found = connection.execute(query).all()
    if not found:
        return ForgetResult((), ())
    ids = {r: frozenset(row.object_id for row in found if row.resource == r) for r in Resource}
    guest = Guest(account_id, ForgottenObjects(ids[Resource.RESERVATIONS], ids[Resource.CONVERSATIONS]), words)
    guest = replace(guest, traces=guest_tables.read_traces(connection, guest))
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
    erased_keys.erase_keys(connection, guest.account_id, guest.objects)
    for words in guest_tables.GUEST_TABLES:
        note(words.table, words.erase(connection, guest))
    note(quarantined_records, guest_tables.erase_quarantine(connection, guest, messages))
    for resource in (Resource.RESERVATIONS, Resource.CONVERSATIONS, Resource.MESSAGES):
        note(MIRRORED[resource], guest_tables.erase_payloads(connection, resource, guest))
    return rows
