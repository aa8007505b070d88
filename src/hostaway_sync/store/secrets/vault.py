"""The vault: opens a secret in the store that its row names, and stores one where the database says it belongs.

A store outside and the row are two systems. So the secret is written first, as a version of its own, then the row that
names the version, and the version that the row named before is deleted last. A process that is killed in between
leaves every row with a version that exists. Versions that no row names are orphans, which `transfer` finds.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from hostaway_sync.errors import HostawaySyncError, SecretError, SecretGone, SecretsUnavailable, StoreError
from hostaway_sync.secrets import DATABASE, read_store_kind
from hostaway_sync.store.secrets import placement as secret_placement
from hostaway_sync.store.secrets import sealing
from hostaway_sync.store.secrets.sealing import SEALED
from hostaway_sync.store.tables import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import SecretStr

    from hostaway_sync.secrets import KeyRing, Place, SecretReader, SecretsStore, SecretWriter
    from hostaway_sync.store.postgres.database import Database

_REMEMBERED: Final = 10_000
T = TypeVar("T")
log = logging.getLogger(__name__)


class Vault:
    """All stores of secrets that this database uses.

    Args:
        database: records where secrets belong.
        ring: returns the key ring; called only when a value in the database is sealed or opened.
        outside: by kind, what makes a store outside from the prefix of this database's names.
    """

    def __init__(
        self, database: Database, ring: Callable[[], KeyRing], outside: Mapping[str, Callable[[str], SecretsStore]]
    ) -> None:
        self._database = database
        self._ring = ring
        self._outside = outside
        self._stores: dict[str, SecretsStore] = {}
        self._lock = Lock()
        # A version outside never changes: a secret that was read once is right as long as a row names its version.
        self._opened: OrderedDict[tuple[Place, bytes], SecretStr] = OrderedDict()

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Return the secret that a row holds these bytes of; a process asks a store outside once for each version.

        Raises:
            SecretGone: the store does not have the version any more.
            SecretError: the secret cannot be opened, or the store refuses us.
            SecretsUnavailable: the store does not answer.
        """
        kind = read_store_kind(kept)
        if kind == DATABASE:
            return self._ring().open(kept, place)
        found = self._opened.get((place, kept))
        if found is None:
            found = self.open_store(kind).open(kept, place)
            with self._lock:
                self._opened[place, kept] = found
                if len(self._opened) > _REMEMBERED:
                    self._opened.popitem(last=False)
        return found

    def open_store(self, kind: str, connection: sa.Connection | None = None) -> SecretsStore:
        """Return the store of a kind; `connection`: an open one to read the database with, else a new one is used.

        Raises:
            SecretError: the kind is unknown, or the database does not record its prefix.
            ConfigurationError: the store cannot be used here.
        """
        if kind == DATABASE:
            return self._ring()
        with self._lock:
            found = self._stores.get(kind)
        if found is None:
            if kind not in self._outside:
                raise SecretError(f"secrets lie in {kind}, which this version of hostaway-sync does not know")
            mirror = (
                secret_placement.read_placement(connection)
                if connection
                else self._database.transaction(secret_placement.read_placement)
            ).mirror
            if mirror is None:
                raise SecretError(f"the database does not say where in {kind} its secrets are: restore `secrets_store`")
            made = self._outside[kind](mirror)
            with self._lock:
                found = self._stores.setdefault(kind, made)
        return found

    def discard(self, gone: Iterable[tuple[Place, bytes]]) -> int:
        """Delete versions outside that no row names, and return how many; a version that stays is logged."""
        number = 0
        for place, kept in sorted(gone, key=str):
            with self._lock:
                self._opened.pop((place, kept), None)
            try:
                self.open_store(read_store_kind(kept)).discard(kept, place)
                number += 1
            except (SecretError, SecretsUnavailable) as error:
                log.warning("%s; `hostaway-sync keys check` counts such as orphans", error)
        return number


class VaultWrite:
    """The secrets that one transaction stores in a vault; when it is repeated, versions that it made are used again.

    Args:
        vault: the vault to store them in.
        table: the table of the row that the secrets belong to.
        primary_key: the primary key of that row.
    """

    def __init__(self, vault: Vault, table: sa.Table, primary_key: int) -> None:
        self._vault = vault
        self._table = table
        self._primary_key = primary_key
        self._store: SecretsStore | None = None
        self._look: Callable[..., set[tuple[Place, bytes]]] = _nothing
        self._made: dict[tuple[str, Place, str], bytes] = {}
        self.before: set[tuple[Place, bytes]] = set()

    @property
    def made(self) -> set[tuple[Place, bytes]]:
        """The versions that this write made outside."""
        return {(place, kept) for (_, place, _), kept in self._made.items() if read_store_kind(kept) != DATABASE}

    def begin(self, connection: sa.Connection) -> None:
        """Lock the keys, and look up where secrets belong, until the transaction ends."""
        sealing.lock_keys_shared(connection)
        placement = secret_placement.read_placement(connection)
        self._store = self._vault.open_store(placement.store, connection)
        if placement.mirror is not None:
            self._look = partial(_outside, connection, self._table, self._primary_key)
            self.before |= self._look()

    def left(self) -> set[tuple[Place, bytes]]:
        """Return the versions that no row names once the transaction is committed."""
        return (self.before | self.made) - self._look()

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Store a secret and return the bytes for its row; raises as the store does."""
        if self._store is None:
            raise RuntimeError("a secret was stored before the transaction began")
        # Locked only now, after the rows that the work itself locks: all transactions lock both in that order.
        self.before |= self._look(lock=True)
        if self._store.kind == DATABASE:
            return self._store.seal(value, place)
        key = self._store.kind, place, value.get_secret_value()
        if key not in self._made:
            self._made[key] = self._store.seal(value, place)
        return self._made[key]

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Return a secret, as `Vault.open` does."""
        return self._vault.open(kept, place)


def run_secret_transaction(
    database: Database,
    vault: Vault | SecretWriter,
    primary_key: int,
    work: Callable[[sa.Connection, SecretWriter], T],
    *,
    table: sa.Table = accounts,
) -> T:
    """Run a transaction that stores, replaces or erases secrets of a row, and delete unused versions outside.

    Args:
        database: the database with the row.
        vault: the vault, or a single store that takes all secrets.
        primary_key: the primary key of the row.
        work: called as by `Database.transaction`, with what seals secrets as second argument.
        table: the table of the row.
    """
    if not isinstance(vault, Vault):
        return database.transaction(lambda connection: work(connection, vault))
    vault_write = VaultWrite(vault, table, primary_key)

    def step(connection: sa.Connection) -> tuple[T, set[tuple[Place, bytes]]]:
        vault_write.begin(connection)
        return work(connection, vault_write), vault_write.left()

    try:
        result, left = database.transaction(step)
    except StoreError:
        raise  # the transaction may have been committed, and then the row names the new versions
    except HostawaySyncError:
        vault.discard(vault_write.made)
        raise
    vault.discard(left)
    return result


def open_stored_secret(vault: SecretReader, read: Callable[[], bytes | None], place: Place) -> SecretStr | None:
    """Return the secret that a row holds; if it was replaced meanwhile, read the row again. None: the row holds none.

    Raises:
        SecretError, SecretsUnavailable: as `SecretReader.open`.
    """
    kept = read()
    while kept is not None:
        try:
            return vault.open(kept, place)
        except SecretGone:
            before, kept = kept, read()
            if kept == before:
                raise
    return None


def _nothing(*, lock: bool = False) -> set[tuple[Place, bytes]]:
    del lock
    return set()


def _outside(
    connection: sa.Connection, table: sa.Table, primary_key: int, *, lock: bool = False
) -> set[tuple[Place, bytes]]:
    """Return the versions outside that a row names; with `lock` the row is locked until the transaction ends."""
    columns = [column for column in SEALED if column.table is table]
    query = sa.select(*columns).where(sealing.primary_key_of(table) == primary_key)
    query = query.with_for_update(key_share=True) if lock else query
    row = connection.execute(query).one_or_none() or (None,) * len(columns)
    kept = ((sealing.place_of(column, primary_key), value) for column, value in zip(columns, row, strict=True) if value)
    return {(place, bytes(value)) for place, value in kept if read_store_kind(bytes(value)) != DATABASE}
