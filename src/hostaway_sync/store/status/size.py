"""What takes space: the tables of the mirror, as the server knows them without counting."""

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
    """One table; all but `rows` in bytes.

    Attributes:
        rows: as the server estimated them last, or counted what was written if it never did.
        heap: rows as they are.
        indexes: all of its indexes.
        toast: values too long for a row, payloads above all.
        total: all of that, and what the server keeps beside it.
    """

    name: str
    rows: int
    heap: int
    indexes: int
    toast: int
    total: int


@dataclass(frozen=True, slots=True)
class Size:
    """The whole database in bytes, whatever else is in it, and our tables, the largest first."""

    database: int
    tables: tuple[TableSize, ...]


def read_size(database: Database) -> Size:
    """Ask how much space everything takes."""

    def read(connection: sa.Connection) -> Size:
        whole = connection.execute(sa.select(sa.func.pg_database_size(sa.func.current_database()))).scalar_one()
        rows = connection.execute(sa.text(_TABLES), {"schema": database.schema})
        return Size(whole, tuple(TableSize(*row) for row in rows))

    return database.transaction(read)
