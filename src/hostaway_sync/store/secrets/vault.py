"""The vault: opens a secret wherever its row says it lies, and puts one where the database says it belongs.

A store outside and the row are two systems. So the secret is written first, under a name of its own, then the row that
names it, and what the row named before is deleted last: killed anywhere in between, every row names something that is
there. What is left over then is an orphan, which `moving` finds.
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
    """Every store of secrets that this database uses.

    Args:
        database: says where secrets belong.
        ring: gives the keys, when something in the database is to be sealed or opened.
        outside: makes each store outside, given what its names begin with.
    """

    def __init__(
        self, database: Database, ring: Callable[[], KeyRing], outside: Mapping[str, Callable[[str], SecretsStore]]
    ) -> None:
        self._database = database
        self._ring = ring
        self._outside = outside
        self._stores: dict[str, SecretsStore] = {}
        self._lock = Lock()
        # A version outside never changes: what was read once is right as long as a row names it.
        self._opened: OrderedDict[tuple[Place, bytes], SecretStr] = OrderedDict()

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Give the secret that a row keeps these bytes of; one from outside is asked for once a process.

        Raises:
            SecretGone: it is not there (any more).
            SecretError: it cannot be opened, or we may not.
            SecretsUnavailable: the store is away.
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
        """Give the store of a kind; `connection`: one to read the database with, if there is one already.

        Raises:
            ConfigurationError: there is no such store, or it cannot be used here.
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
        """Delete from outside what no row names any more, and give how much; what cannot be deleted is logged."""
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
    """What one piece of work puts into a vault; repeated, it finds what it put before.

    Args:
        vault: where.
        table: that of the row whose secrets these are.
        primary_key: the row's.
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
        """What lies outside by this."""
        return {(place, kept) for (_, place, _), kept in self._made.items() if read_store_kind(kept) != DATABASE}

    def begin(self, connection: sa.Connection) -> None:
        """Find out where secrets belong until the transaction ends."""
        sealing.lock_keys_shared(connection)
        placement = secret_placement.read_placement(connection)
        self._store = self._vault.open_store(placement.store, connection)
        if placement.mirror is not None:
            self._look = partial(_outside, connection, self._table, self._primary_key)
            self.before |= self._look()

    def left(self) -> set[tuple[Place, bytes]]:
        """Give what no row names any more when this is committed."""
        return (self.before | self.made) - self._look()

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Put a secret; raises as the store does."""
        if self._store is None:
            raise RuntimeError("secrets are put in a transaction that has begun")
        # Only now, after whatever the work itself has locked: whoever else takes both takes them in its order.
        self.before |= self._look(lock=True)
        if self._store.kind == DATABASE:
            return self._store.seal(value, place)
        key = self._store.kind, place, value.get_secret_value()
        if key not in self._made:
            self._made[key] = self._store.seal(value, place)
        return self._made[key]

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Give a secret, as the vault does."""
        return self._vault.open(kept, place)


def run_secret_transaction(
    database: Database,
    vault: Vault | SecretWriter,
    primary_key: int,
    work: Callable[[sa.Connection, SecretWriter], T],
    *,
    table: sa.Table = accounts,
) -> T:
    """Run a transaction that puts, replaces or erases secrets of a row, and leave nothing over outside.

    Args:
        database: with the row.
        vault: where secrets go; a store by itself is the only one there is.
        primary_key: the row's.
        work: as for `Database.transaction`, and where to put secrets.
        table: that of the row.
    """
    if not isinstance(vault, Vault):
        return database.transaction(lambda connection: work(connection, vault))
    draft = VaultWrite(vault, table, primary_key)

    def step(connection: sa.Connection) -> tuple[T, set[tuple[Place, bytes]]]:
        draft.begin(connection)
        return work(connection, draft), draft.left()

    try:
        result, left = database.transaction(step)
    except StoreError:
        raise  # it may have been committed all the same, and then the row names what was put
    except HostawaySyncError:
        vault.discard(draft.made)
        raise
    vault.discard(left)
    return result


def open_stored_secret(vault: SecretReader, read: Callable[[], bytes | None], place: Place) -> SecretStr | None:
    """Open what a row keeps, and once more when it was replaced meanwhile; None: it keeps nothing.

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
    """Give what lies outside by a row; with `lock` nobody else changes it until the transaction ends."""
    columns = [column for column in SEALED if column.table is table]
    query = sa.select(*columns).where(sealing.primary_key_of(table) == primary_key)
    query = query.with_for_update(key_share=True) if lock else query
    row = connection.execute(query).one_or_none() or (None,) * len(columns)
    kept = ((sealing.place_of(column, primary_key), value) for column, value in zip(columns, row, strict=True) if value)
    return {(place, bytes(value)) for place, value in kept if read_store_kind(bytes(value)) != DATABASE}
