"""Moves secrets from one store to another while everything runs, and finds versions that no row names.

    begin   new secrets go to the new store from now on
    pass    each secret is stored there, read back, named by its row, deleted in the old store: one transaction each
    sweep   versions that no row names are deleted from the stores outside
    end     no secret lies in the old store any more

A move that is killed leaves every row with the place of its secret, and the next move goes on.
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


_GRACE_S: Final = 3.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What a move of secrets did.

    Attributes:
        store: the kind of store that secrets belong to now.
        moved: number of secrets that this move brought there.
        orphans: number of versions outside that no row named, and that were deleted.
        is_whole: whether all secrets lie in `store`.
        troubles: secrets that could not be opened, and stay where they are.
    """

    store: str
    moved: int
    orphans: int
    is_whole: bool
    troubles: tuple[UnreadableSecret, ...] = ()


def move_secrets(database: Database, vault: Vault, target: str) -> TransferResult:
    """Move all secrets to a store, also those that other processes store meanwhile.

    Raises:
        LeaseHeld: another move is running.
        ConfigurationError: one of the stores cannot be used here.
        SecretsUnavailable: one of the stores does not answer; secrets that were moved until then stay there.
    """
    with _claim_move(database):
        if target != DATABASE:
            database.transaction(secret_placement.ensure_mirror_name)
            _require_rights(vault.open_store(target))
        placement = database.transaction(partial(secret_placement.begin_move, target=target))
        moved = 0
        while True:
            number, troubles, overtaken = _move_pass(database, vault, target)
            moved += number
            if number or overtaken:
                continue
            outside = {placement.store, placement.leaving} - {DATABASE, None}
            swept = sum(vault.discard(find_orphans(database, vault, kind)) for kind in sorted(filter(None, outside)))
            is_whole = not troubles and database.transaction(secret_placement.end_move)
            if is_whole or troubles:
                return TransferResult(target, moved, swept, is_whole, troubles)


@contextmanager
def _claim_move(database: Database) -> Iterator[None]:
    until = time.monotonic() + _GRACE_S
    while True:
        with database.claim("moving secrets") as is_ours:
            if is_ours:
                yield
                return
        # PostgreSQL notices only after a moment that a process was killed.
        if time.monotonic() > until:
            raise LeaseHeld("another `hostaway-sync keys move` is running: wait until it ends, then try again")
        time.sleep(_POLL_S)


def find_orphans(database: Database, vault: Vault, kind: str) -> set[tuple[Place, bytes]]:
    """Return the versions in a store outside that no row names."""
    # A transaction that stores a secret holds the lock of the keys until its row is committed. So a version that was
    # listed before the exclusive lock, and that no row names under it, will never be named.
    listed = set(vault.open_store(kind).list_versions())

    def unnamed(connection: sa.Connection) -> set[tuple[Place, bytes]]:
        sealing.lock_keys_exclusively(connection)
        return listed - sealing.read_all_secrets(connection)

    return database.transaction(unnamed)


def _require_rights(store: SecretsStore) -> None:
    """Store, read and delete a trial secret: a move without one of these rights must fail before it changes anything.

    Deleting comes first: without the right to delete, a trial would stay. Trials of killed moves are deleted, too.
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


def _move_pass(database: Database, vault: Vault, target: str) -> tuple[int, tuple[UnreadableSecret, ...], int]:
    moved = overtaken = 0
    troubles: list[UnreadableSecret] = []
    for batch in sealing.read_batches(database):
        for one in batch:
            if read_store_kind(one.value) == target and (target != DATABASE or read_key_id(one.value) is not None):
                continue
            try:
                work = partial(_move_one, vault=vault, one=one)
                is_done = run_secret_transaction(database, vault, one.place.primary_key, work, table=one.column.table)
            except SecretError as error:
                troubles.append(UnreadableSecret(one.place, str(error)))
                continue
            moved, overtaken = moved + is_done, overtaken + (not is_done)
    return moved, tuple(troubles), overtaken


def _move_one(connection: sa.Connection, store: SecretWriter, *, vault: Vault, one: StoredSecret) -> bool:
    if not sealing.is_still_stored(connection, one):
        return False
    value = read_plain_text(one.value) or vault.open(one.value, one.place)
    kept = sealing.seal_value(connection, store, value, one.column, one.place.primary_key)
    if vault.open_store(read_store_kind(kept), connection).open(kept, one.place) != value:
        raise SecretError(f"{one.place}: {read_store_kind(kept)} gave back another value than was stored")
    return sealing.replace_if_unchanged(connection, one, kept)
