"""The size of the database and of each table, as the server estimates them without counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

_TABLES: Final = """
SELECT c.relname AS name,
       CASE WHEN c.reltuples < 0 THEN pg_stat_get_live_tuples(c.oid) ELSE c.reltuples::bigint END AS rows,
       pg_relation_size(c.oid) AS heap,
       pg_indexes_size(c.oid) AS indexes, coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast,
       pg_total_relation_size(c.oid) AS total
FROM pg_class c
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p')
ORDER BY total DESC, name
"""


@dataclass(frozen=True, slots=True)
class TableSize:
    """The size of one table; all fields but `rows` are in bytes.

    Attributes:
        name: the name of the table.
        rows: the last estimate of the server, or its count of written rows if it never made one.
        heap: the rows themselves.
        indexes: all indexes of the table.
        toast: values too long for a row, mostly payloads.
        total: all of these, with the free space map and other files of the server.
    """

    name: str
    rows: int
    heap: int
    indexes: int
    toast: int
    total: int


@dataclass(frozen=True, slots=True)
class Size:
    """The size of the whole database in bytes, other schemas included, and of our tables, the largest first."""

    database: int
    tables: tuple[TableSize, ...]


def read_size(database: Database) -> Size:
    """Return the size of the database and of its tables."""

    def read(connection: sa.Connection) -> Size:
        whole = connection.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one()
        rows = connection.execute(sa.text(_TABLES), {"schema": database.schema})
        return Size(whole, tuple(TableSize(*row) for row in rows))

    return database.transaction(read)
