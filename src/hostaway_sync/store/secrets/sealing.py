"""The columns that hold secrets, and how their values are sealed with a new key while everything runs.

A transaction that seals holds the lock of the keys, shared, until it ends. A change of the keys holds it exclusively,
so that every value stored after the change is sealed with the new keys.
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
from hostaway_sync.store.tables import accounts, api_key_pepper, automations, redactions

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
    automations.c.secret,
    automations.c.previous_secret,
    automations.c.whole_url,
    redactions.c.secret,
    api_key_pepper.c.secret,
)
BATCH: Final = 100
RIGHT: Final = "the keys that seal"


@dataclass(frozen=True, slots=True)
class UnreadableSecret:
    """A value that does not open, and a sentence why, without the value; `is_plain`: the value is not sealed."""

    place: Place
    reason: str
    is_plain: bool = False


@dataclass(frozen=True, slots=True)
class PassResult:
    """What one pass over every sealed value did.

    Attributes:
        seen: number of sealed values.
        resealed: number of values that were sealed with the first key.
        overtaken: number of values that another process changed meanwhile.
        troubles: the values that do not open.
    """

    seen: int = 0
    resealed: int = 0
    overtaken: int = 0
    troubles: tuple[UnreadableSecret, ...] = ()

    def __add__(self, other: PassResult) -> PassResult:
        """Return the sum of two passes."""
        return PassResult(
            self.seen + other.seen,
            self.resealed + other.resealed,
            self.overtaken + other.overtaken,
            self.troubles + other.troubles,
        )


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The bytes that a row holds of a secret: the sealed value, or a pointer into a store outside."""

    column: Column
    place: Place
    value: bytes = field(repr=False)


def place_of(column: Column, primary_key: int) -> Place:
    """Return the place of a value in a sealed column."""
    if column not in SEALED:
        raise ValueError(f"{column} is not declared as sealed")
    return Place(column.table.name, column.name, primary_key)


def seal_value(
    connection: sa.Connection, store: SecretWriter, value: SecretStr, column: Column, primary_key: int
) -> bytes:
    """Return the bytes to store of a secret, sealed with keys that stay until the transaction ends.

    Raises:
        SecretError: the keys cannot be read any more, or a store outside refuses the secret.
        SecretsUnavailable: a store outside does not answer.
    """
    lock_keys_shared(connection)
    return store.seal(value, place_of(column, primary_key))


def lock_keys_shared(connection: sa.Connection) -> None:
    """Keep the keys from being changed until the transaction, which seals afterwards, ends."""
    rights.lock_right(connection, RIGHT, shared=True)


def lock_keys_exclusively(connection: sa.Connection) -> None:
    """Wait for all transactions that seal; no other one seals until this transaction ends."""
    rights.lock_right(connection, RIGHT)


def has_sealed_values(connection: sa.Connection) -> bool:
    """Return whether any value is sealed: then a lost key must not be replaced by a new one."""
    first_byte = sa.literal(VERSION, sa.LargeBinary)
    begin_so = (sa.exists().where(sa.func.substring(column, 1, 1) == first_byte) for column in SEALED)
    return bool(connection.scalar(sa.select(sa.or_(*begin_so))))


def values_by_key(connection: sa.Connection) -> Counter[str | None]:
    """Count the values in sealed columns by the short id of their key; None: values that are not sealed."""
    return Counter(read_key_id(value) for value in _first_bytes(connection) if read_store_kind(value) == DATABASE)


def values_by_store(connection: sa.Connection) -> Counter[str]:
    """Count secrets by the kind of store that they lie in."""
    return Counter(map(read_store_kind, _first_bytes(connection)))


def read_all_secrets(connection: sa.Connection) -> set[tuple[Place, bytes]]:
    """Return the stored bytes of every secret, with their places."""
    found: set[tuple[Place, bytes]] = set()
    for column in SEALED:
        rows = connection.execute(sa.select(primary_key_of(column.table), column).where(column.is_not(None)))
        found |= {(place_of(column, key), bytes(value)) for key, value in rows}
    return found


def read_batches(database: Database) -> Iterator[list[StoredSecret]]:
    """Yield stored secrets in batches, each read in a transaction of its own."""
    for table, columns in groupby(SEALED, key=lambda column: column.table):
        read = partial(_batch, table=table, columns=tuple(columns))
        after: int | None = 0
        while after is not None:
            found, after = database.transaction(partial(read, after=after))
            yield found


def is_still_stored(connection: sa.Connection, one: StoredSecret) -> bool:
    """Return whether a row still holds the secret that was read; the row is locked until the transaction ends."""
    key = primary_key_of(one.column.table)
    itself = sa.select(key).where(key == one.place.primary_key, one.column == one.value)
    return connection.scalar(itself.with_for_update(key_share=True)) is not None


def replace_if_unchanged(connection: sa.Connection, one: StoredSecret, value: bytes) -> bool:
    """Store another value in a row unless it changed since it was read; return whether the row holds it now."""
    table = one.column.table
    itself = sa.update(table).where(primary_key_of(table) == one.place.primary_key, one.column == one.value)
    return connection.execute(itself.values({one.column: value})).rowcount == 1


def check_secrets(database: Database, vault: SecretReader) -> PassResult:
    """Open every sealed value, change nothing, and return those that do not open."""
    return _run_pass(database, partial(_check, vault=vault))


def reseal_secrets(database: Database, ring: KeyRing) -> PassResult:
    """Seal every value with the first key that is sealed with another key or not at all; each batch is one transaction.

    A value is replaced only while it is the one that was read: a value that another process stored meanwhile stays.
    """
    return _run_pass(database, partial(_reseal, ring=ring))


def _run_pass(database: Database, work: Callable[[sa.Connection, list[StoredSecret]], PassResult]) -> PassResult:
    passed = PassResult()
    for table, columns in groupby(SEALED, key=lambda column: column.table):
        read = partial(_batch, table=table, columns=tuple(columns))
        after: int | None = 0
        while after is not None:
            part, after = database.transaction(partial(_run_batch, work=work, read=partial(read, after=after)))
            passed += part
    return passed


def _run_batch(
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
    """Return the sealed values of the next rows, and the last row's key; None: there are no more."""
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
    return PassResult(troubles=tuple(trouble for one in found if (trouble := _find_problem(vault, one)) is not None))


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


def _first_bytes(connection: sa.Connection) -> Iterator[bytes]:
    """Return the first bytes of every secret: they name its store and its key, and the rest need not travel."""
    beginnings = (sa.select(sa.func.substring(c, 1, MIN_SEALED_BYTES)).where(c.is_not(None)) for c in SEALED)
    return (bytes(value) for value in connection.scalars(sa.union_all(*beginnings)))


def _find_problem(vault: SecretReader, one: StoredSecret) -> UnreadableSecret | None:
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
    """Return the primary key of a table with sealed columns."""
    (key,) = table.primary_key
    return key
