"""Writers of the feed that a test moves step by step, and changes without a record."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from tests.support import sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.postgres.database import Database

_INSERT = """
INSERT INTO hostaway.changes (account_id, resource, record_id, change, changed_at, keys, after, position)
SELECT :account, :resource, :record, 'updated', clock_timestamp() - make_interval(days => :days),
       ARRAY(SELECT jsonb_object_keys(CAST(:after AS jsonb))), CAST(:after AS jsonb),
       coalesce((SELECT position_offset FROM hostaway.change_clock), 0) + pg_current_xact_id()::text::bigint
FROM generate_series(1, :rows) AS number RETURNING change_id
"""


_USUAL = {"account": 1, "resource": "listings", "record": "1", "days": 0, "after": "{}", "rows": 1}


def insert_changes(database: Database, rows: int = 1, **words: int | str) -> list[int]:
    """Store changes of one record in a transaction of their own, `days` ago; return their numbers."""
    return [number for (number,) in sql.rows(database, _INSERT, **_USUAL | words | {"rows": rows})]


_RECORD = """
INSERT INTO hostaway.listings (account_id, id, observed_at, payload_hash, raw_payload)
VALUES (1, :record, now(), '', '{"number": 0}') ON CONFLICT DO NOTHING
"""
_CHANGE = """
UPDATE hostaway.listings SET raw_payload = jsonb_build_object('number', (raw_payload->>'number')::int + 1),
    payload_hash = sha256((raw_payload->>'number')::bytea)
WHERE id = :record
"""
_OWN = """
SELECT change_id FROM hostaway.changes WHERE record_id = :record
AND position = pg_current_xact_id()::text::bigint ORDER BY change_id DESC LIMIT 1
"""


def add_record(database: Database, record: str) -> None:
    """Store a listing of account 1, unless it is there."""
    database.transaction(lambda connection: connection.execute(sa.text(_RECORD), {"record": int(record)}))


def change_record(database: Database, record: str) -> None:
    """Change a listing in a transaction of its own."""
    database.transaction(lambda connection: connection.execute(sa.text(_CHANGE), {"record": int(record)}))


class ChangeWriter:
    """A transaction that stays open between two steps; `numbers` are its changes so far, each with its record."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.numbers: list[tuple[str, int]] = []

    def write(self, record: str) -> None:
        """Change a record, which waits for the row's lock; the transaction gets its id with its first change."""
        self._connection.execute(sa.text(_CHANGE), {"record": int(record)})
        self.numbers.append((record, self._connection.scalars(sa.text(_OWN), {"record": record}).one()))

    def end(self, *, commit: bool) -> list[tuple[str, int]]:
        """End the transaction; return the changes that it leaves."""
        numbers, self.numbers = self.numbers, []
        if commit:
            self._connection.commit()
            return numbers
        self._connection.rollback()
        return []


@contextmanager
def change_writers(database: Database, count: int) -> Iterator[list[ChangeWriter]]:
    """Yield so many writers; what they have not committed is rolled back at the end."""
    connections = [database.engine.connect() for _ in range(count)]
    try:
        yield [ChangeWriter(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
