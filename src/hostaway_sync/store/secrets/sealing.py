"""Which columns hold secrets, and how those that are sealed move from one key to the next while everything runs.

Whoever seals holds the keys until its transaction ends, and whoever changes the keys waits for that. So once keys were
changed, whatever is stored from then on is sealed with the new ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from hostaway_sync.errors import SecretError
from hostaway_sync.secrets import (
    DATABASE,
    MIN_SEALED_BYTES,
    VERSION,
    Place,
    read_key_id,
    read_plain_text,
    read_store_kind,
)
from hostaway_sync.store.processes import rights
from hostaway_sync.store.tables import accounts, redactions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

    from hostaway_sync.secrets import KeyRing, SecretReader, SecretWriter
    from hostaway_sync.store.postgres.database import Database

    Column = sa.Column[Any]

# Every sealed column there is, table by table; each table's primary key is one number.
SEALED: Final = (
    accounts.c.client_secret,
    accounts.c.access_token,
    accounts.c.webhook_password,
    accounts.c.webhook_path_secret,
    accounts.c.webhook_previous,
    redactions.c.secret,
)
BATCH: Final = 100
RIGHT: Final = "the keys that seal"


@dataclass(frozen=True, slots=True)
class UnreadableSecret:
    """A value that does not open, and why, as a sentence without the value; `is_plain`: it lies there unsealed."""

    place: Place
    reason: str
    is_plain: bool = False


@dataclass(frozen=True, slots=True)
class PassResult:
    """What one pass over every sealed value did.

    Attributes:
        seen: values there are.
        resealed: of them, those that have another key now.
        overtaken: of them, those that somebody else changed meanwhile.
        troubles: those that do not open.
    """

    seen: int = 0
    resealed: int = 0
    overtaken: int = 0
    troubles: tuple[UnreadableSecret, ...] = ()

    def __add__(self, other: PassResult) -> PassResult:
        """Give both together."""
        return PassResult(
            self.seen + other.seen,
            self.resealed + other.resealed,
            self.overtaken + other.overtaken,
            self.troubles + other.troubles,
        )


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What one row keeps of a secret."""

    column: Column
    place: Place
    value: bytes = field(repr=False)


def place_of(column: Column, primary_key: int) -> Place:
    """Give the place of a value in a sealed column."""
    if column not in SEALED:
        raise ValueError(f"{column} is not declared as sealed")
    return Place(column.table.name, column.name, primary_key)


def seal_value(
    connection: sa.Connection, store: SecretWriter, value: SecretStr, column: Column, primary_key: int
) -> bytes:
    """Keep a value, and give what its row keeps of it, stored in the same transaction.

    Raises:
        SecretError: the keys cannot be read any more; a store outside refuses us.
        SecretsUnavailable: a store outside is away.
    """
    lock_keys_shared(connection)
    return store.seal(value, place_of(column, primary_key))


def lock_keys_shared(connection: sa.Connection) -> None:
    """Let nobody change the keys until the transaction ends, in which something is sealed after this."""
    rights.lock_right(connection, RIGHT, shared=True)


def lock_keys_exclusively(connection: sa.Connection) -> None:
    """Wait for everybody who seals now, and let nobody else until the transaction ends."""
    rights.lock_right(connection, RIGHT)


def has_sealed_values(connection: sa.Connection) -> bool:
    """Say whether anything in the database is sealed, so that a lost key is never replaced by a new one."""
    first_byte = sa.literal(VERSION, sa.LargeBinary)
    begin_so = (sa.exists().where(sa.func.substring(column, 1, 1) == first_byte) for column in SEALED)
    return bool(connection.scalar(sa.select(sa.or_(*begin_so))))


def values_by_key(connection: sa.Connection) -> Counter[str | None]:
    """Count what lies in sealed columns by the short id of its key; None: it is not sealed."""
    return Counter(read_key_id(value) for value in _beginnings(connection) if read_store_kind(value) == DATABASE)


def values_by_store(connection: sa.Connection) -> Counter[str]:
    """Count secrets by the store that they lie in."""
    return Counter(map(read_store_kind, _beginnings(connection)))


def read_all_secrets(connection: sa.Connection) -> set[tuple[Place, bytes]]:
    """Give what every row keeps of every secret."""
    found: set[tuple[Place, bytes]] = set()
    for column in SEALED:
        rows = connection.execute(sa.select(primary_key_of(column.table), column).where(column.is_not(None)))
        found |= {(place_of(column, key), bytes(value)) for key, value in rows}
    return found


def read_batches(database: Database) -> Iterator[list[StoredSecret]]:
    """Give what rows keep, some rows at a time, each read in a transaction of its own."""
    for table, columns in groupby(SEALED, key=lambda column: column.table):
        read = partial(_batch, table=table, columns=tuple(columns))
        after: int | None = 0
        while after is not None:
            found, after = database.transaction(partial(read, after=after))
            yield found


def is_still_stored(connection: sa.Connection, one: StoredSecret) -> bool:
    """Say whether a row keeps still what was read of it; nobody else changes it until the transaction ends."""
    key = primary_key_of(one.column.table)
    itself = sa.select(key).where(key == one.place.primary_key, one.column == one.value)
    return connection.scalar(itself.with_for_update(key_share=True)) is not None


def replace_if_unchanged(connection: sa.Connection, one: StoredSecret, value: bytes) -> bool:
    """Have a row keep another value, unless somebody else changed it since it was read; say whether it does."""
    table = one.column.table
    itself = sa.update(table).where(primary_key_of(table) == one.place.primary_key, one.column == one.value)
    return connection.execute(itself.values({one.column: value})).rowcount == 1


def check_secrets(database: Database, vault: SecretReader) -> PassResult:
    """Open every sealed value, change nothing, and name those that do not open."""
    return _walk(database, partial(_check, vault=vault))


def reseal_secrets(database: Database, ring: KeyRing) -> PassResult:
    """Seal with the first key whatever is sealed with another or not at all; each batch is one transaction.

    A value is replaced only where it is still the one that was read: what somebody else stores meanwhile stays.
    """
    return _walk(database, partial(_reseal, ring=ring))


def _walk(database: Database, work: Callable[[sa.Connection, list[StoredSecret]], PassResult]) -> PassResult:
    passed = PassResult()
    for table, columns in groupby(SEALED, key=lambda column: column.table):
        read = partial(_batch, table=table, columns=tuple(columns))
        after: int | None = 0
        while after is not None:
            part, after = database.transaction(partial(_step, work=work, read=partial(read, after=after)))
            passed += part
    return passed


def _step(
    connection: sa.Connection,
    *,
    work: Callable[[sa.Connection, list[StoredSecret]], PassResult],
    read: Callable[[sa.Connection], tuple[list[StoredSecret], int | None]],
) -> tuple[PassResult, int | None]:
    found, last = read(connection)
    return replace(work(connection, found), seen=len(found)), last


def _batch(
    connection: sa.Connection, *, table: sa.Table, columns: tuple[Column, ...], after: int
) -> tuple[list[StoredSecret], int | None]:
    """Give the sealed values of the next rows, and the last row's key; None: there are no more."""
    key = primary_key_of(table)
    rows = connection.execute(sa.select(key, *columns).where(key > after).order_by(key).limit(BATCH)).all()
    found = [
        StoredSecret(column, place_of(column, row[0]), bytes(value))
        for row in rows
        for column, value in zip(columns, row[1:], strict=True)
        if value is not None
    ]
    return found, rows[-1][0] if rows else None


def _check(connection: sa.Connection, found: list[StoredSecret], *, vault: SecretReader) -> PassResult:
    del connection
    return PassResult(troubles=tuple(trouble for one in found if (trouble := _trouble(vault, one)) is not None))


def _reseal(connection: sa.Connection, found: list[StoredSecret], *, ring: KeyRing) -> PassResult:
    passed = PassResult()
    for one in found:
        if read_key_id(one.value) == ring.ids[0] or read_store_kind(one.value) != DATABASE:
            continue
        value = read_plain_text(one.value)
        try:
            value = value or ring.open(one.value, one.place)
        except SecretError as error:
            passed += PassResult(troubles=(UnreadableSecret(one.place, str(error)),))
            continue
        is_done = replace_if_unchanged(
            connection, one, seal_value(connection, ring, value, one.column, one.place.primary_key)
        )
        passed += PassResult(resealed=int(is_done), overtaken=int(not is_done))
    return passed


def _beginnings(connection: sa.Connection) -> Iterator[bytes]:
    """Give what tells where a secret lies and what it is sealed with: nothing more of it needs to travel."""
    beginnings = (sa.select(sa.func.substring(c, 1, MIN_SEALED_BYTES)).where(c.is_not(None)) for c in SEALED)
    return (bytes(value) for value in connection.scalars(sa.union_all(*beginnings)))


def _trouble(vault: SecretReader, one: StoredSecret) -> UnreadableSecret | None:
    if read_plain_text(one.value) is not None:
        return UnreadableSecret(
            one.place, f"{one.place} is not sealed: `hostaway-sync keys rotate` seals it", is_plain=True
        )
    try:
        vault.open(one.value, one.place)
    except SecretError as error:
        return UnreadableSecret(one.place, str(error))
    return None


def primary_key_of(table: sa.FromClause) -> sa.ColumnElement[int]:
    """Give the primary key of a table with sealed columns."""
    (key,) = table.primary_key
    return key
