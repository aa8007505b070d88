"""Moves secrets from one store to another while everything runs, and finds what no row names.

    begin     whatever is put goes to the new store from now on
    one by one  put there, read back, named by its row, deleted where it lay: each a transaction of its own
    sweep     what no row names is deleted from the stores outside
    end       nothing lies in the old one any more

Killed anywhere, every row says where its secret lies, and another move goes on.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from hostaway_sync.errors import LeaseHeld, SecretError
from hostaway_sync.secrets import DATABASE, read_key_id, read_plain_text, read_store_kind
from hostaway_sync.secrets.protocols import format_pointer, generate_version
from hostaway_sync.store.secrets import placement as secret_placement
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.sealing import UnreadableSecret
from hostaway_sync.store.secrets.vault import run_secret_transaction
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from hostaway_sync.secrets import Place, SecretsStore, SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.sealing import StoredSecret
    from hostaway_sync.store.secrets.vault import Vault


_UNTIL_GONE_S: Final = 3.0
_LOOKS_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What a move did.

    Attributes:
        store: where secrets belong now.
        moved: how many this one brought there.
        orphans: how many that no row named it deleted outside.
        is_whole: nothing lies elsewhere any more.
        troubles: those that could not be opened, and lie where they lay.
    """

    store: str
    moved: int
    orphans: int
    is_whole: bool
    troubles: tuple[UnreadableSecret, ...] = ()


def move_secrets(database: Database, vault: Vault, target: str) -> TransferResult:
    """Bring all secrets to a store, those put meanwhile too; what is there already stays.

    Raises:
        LeaseHeld: another move is at work.
        ConfigurationError: one of the stores cannot be used from here.
        SecretsUnavailable: one of them is away; what was moved until then stays there.
    """
    with _alone(database):
        if target != DATABASE:
            database.transaction(secret_placement.ensure_mirror_name)
            _prove(vault.open_store(target))
        placement = database.transaction(partial(secret_placement.begin_move, target=target))
        moved = 0
        while True:
            number, troubles, overtaken = _pass(database, vault, target)
            moved += number
            if number or overtaken:
                continue
            outside = {placement.store, placement.leaving} - {DATABASE, None}
            swept = sum(vault.discard(find_orphans(database, vault, kind)) for kind in sorted(filter(None, outside)))
            is_whole = not troubles and database.transaction(secret_placement.end_move)
            if is_whole or troubles:
                return TransferResult(target, moved, swept, is_whole, troubles)


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    until = time.monotonic() + _UNTIL_GONE_S
    while True:
        with database.claim("moving secrets") as is_ours:
            if is_ours:
                yield
                return
        # PostgreSQL takes a moment to notice that a process was killed.
        if time.monotonic() > until:
            raise LeaseHeld("another `hostaway-sync keys move` is at work: it brings everything there")
        time.sleep(_LOOKS_S)


def find_orphans(database: Database, vault: Vault, kind: str) -> set[tuple[Place, bytes]]:
    """Give what lies in a store outside and is named by no row."""
    # Who puts a secret holds the keys until its row is committed: of what was there before, whatever is not named now
    # never will be.
    listed = set(vault.open_store(kind).list_versions())

    def unnamed(connection: sa.Connection) -> set[tuple[Place, bytes]]:
        sealing.lock_keys_exclusively(connection)
        return listed - sealing.read_all_secrets(connection)

    return database.transaction(unnamed)


def _prove(store: SecretsStore) -> None:
    """Do once all that will be done there: nothing is to change where something of it may not be done.

    Deleting comes first: a trial that may be made but not deleted would stay. One that a killed move left goes here.
    """
    nowhere = sealing.place_of(accounts.c.client_secret, 0)
    left = [kept for place, kept in store.list_versions() if place == nowhere]
    for kept in (*left, format_pointer(store.kind, generate_version())):
        store.discard(kept, nowhere)
    kept = store.seal(SecretStr("a trial of what we may do"), nowhere)
    try:
        store.open(kept, nowhere)
    finally:
        store.discard(kept, nowhere)


def _pass(database: Database, vault: Vault, target: str) -> tuple[int, tuple[UnreadableSecret, ...], int]:
    moved = overtaken = 0
    troubles: list[UnreadableSecret] = []
    for batch in sealing.read_batches(database):
        for one in batch:
            if read_store_kind(one.value) == target and (target != DATABASE or read_key_id(one.value) is not None):
                continue
            try:
                work = partial(_move, vault=vault, one=one)
                is_done = run_secret_transaction(database, vault, one.place.primary_key, work, table=one.column.table)
            except SecretError as error:
                troubles.append(UnreadableSecret(one.place, str(error)))
                continue
            moved, overtaken = moved + is_done, overtaken + (not is_done)
    return moved, tuple(troubles), overtaken


def _move(connection: sa.Connection, store: SecretWriter, *, vault: Vault, one: StoredSecret) -> bool:
    if not sealing.is_still_stored(connection, one):
        return False
    value = read_plain_text(one.value) or vault.open(one.value, one.place)
    kept = sealing.seal_value(connection, store, value, one.column, one.place.primary_key)
    if vault.open_store(read_store_kind(kept), connection).open(kept, one.place) != value:
        raise SecretError(f"{one.place} does not come back as it was put into {read_store_kind(kept)}")
    return sealing.replace_if_unchanged(connection, one, kept)
