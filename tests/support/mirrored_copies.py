"""Copies of databases that other tests mirrored a moment ago; a first sync costs ten times as much."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from tests.support.database_reset import TABLES_WITH_PAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import psycopg

    from hostaway_sync.store.postgres.database import Database

# Seconds for which a mirror counts as fresh.
_FRESH: Final = 60
# A database that takes the rows of another keeps its own place and processes.
_STAYING: Final = frozenset({"hostaway.alembic_version", "hostaway.database_identity", "hostaway.rights"})
_ACCOUNTS: Final = "hostaway.accounts"
_SEQUENCES: Final = """
SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class _Copy:
    made: float
    rows: dict[str, bytes]
    sequences: list[tuple[str, int]]
    # By account, what the sync changed in its row.
    accounts: dict[int, dict[str, Any]]


_copies: dict[Hashable, _Copy] = {}


def fill_database(database: Database, key: Hashable, mirror: Callable[[], object]) -> None:
    """Mirror into a database, or copy into it what was mirrored under the same key a moment ago.

    Args:
        database: holds nothing but accounts.
        key: equal for equal sources, accounts and settings.
        mirror: mirrors all of them; it leaves no process behind.
    """
    with database.engine.connect() as connection:
        assert not connection.scalar(sa.text("SELECT count(*) FROM hostaway.sync_runs")), "it was mirrored before"
    copy = _copies.get(key)
    if copy is not None and time.monotonic() - copy.made < _FRESH:
        _restore(database, copy)
        return
    before = _accounts(database)
    mirror()
    after = _accounts(database)
    changed = {
        number: {name: value for name, value in row.items() if value != before[number][name]}
        for number, row in after.items()
    }
    _copies[key] = _read(database, changed)


def _read(database: Database, accounts: dict[int, dict[str, Any]]) -> _Copy:
    rows: dict[str, bytes] = {}
    with closing(database.engine.raw_connection()) as pooled:
        connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]  # a psycopg one
        with connection.transaction(), connection.cursor() as cursor:
            for (place,) in cursor.execute(TABLES_WITH_PAGES).fetchall():
                if place != _ACCOUNTS and place not in _STAYING:
                    with cursor.copy(f"COPY {place} TO STDOUT".encode()) as data:
                        if text := b"".join(bytes(part) for part in data):
                            rows[place] = text
            sequences = cursor.execute(_SEQUENCES).fetchall()
    return _Copy(time.monotonic(), rows, sequences, accounts)


def _restore(database: Database, copy: _Copy) -> None:
    with closing(database.engine.raw_connection()) as pooled:
        connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]  # as above
        with connection.transaction(), connection.cursor() as cursor:
            # Neither triggers nor foreign keys.
            cursor.execute("SET LOCAL session_replication_role = replica")
            for (place,) in cursor.execute(TABLES_WITH_PAGES).fetchall():
                if place in copy.rows:
                    cursor.execute(f"DELETE FROM {place}".encode())
            for place, data in copy.rows.items():
                with cursor.copy(f"COPY {place} FROM STDIN".encode()) as sink:
                    sink.write(data)
            cursor.executemany("SELECT setval(%s::regclass, %s)", copy.sequences)
            for number, changes in copy.accounts.items():
                if changes:
                    names = ", ".join(f"{name} = %s" for name in changes)
                    statement = f"UPDATE {_ACCOUNTS} SET {names} WHERE account_id = %s"
                    cursor.execute(statement.encode(), (*changes.values(), number))


def _accounts(database: Database) -> dict[int, dict[str, Any]]:
    question = sa.text(f"SELECT * FROM {_ACCOUNTS}")
    found = database.transaction(lambda connection: connection.execute(question).mappings().all())
    return {row["account_id"]: dict(row) for row in found}
