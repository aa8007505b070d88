"""Copies the rows of all our tables, also those of the queue, from one database into another, and compares both."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

import psycopg
import sqlalchemy as sa

from hostaway_sync.errors import StoreError
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.postgres.driver_errors import raise_translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REVISION_TABLE: Final = "alembic_version"
# Not copied: each database has its own revision, identity, ids of transactions and running processes.
_NOT_COPIED: Final = (REVISION_TABLE, "change_clock", "database_identity", "rights")

_TABLES: Final = """
SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'r' AND c.relname <> ALL (:staying)
    AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY c.oid ORDER BY c.relname
"""
_KEYS: Final = """
SELECT DISTINCT c.relname AS name, needed.relname AS needs
FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS needed ON needed.oid = k.confrelid
WHERE k.contype = 'f' AND k.connamespace = to_regnamespace(:schema) AND c.oid <> needed.oid
"""
_SEQUENCES: Final = """
SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind = 'S' ORDER BY 1
"""
# A sum of hashes does not depend on the order of rows; the halves are summed, because a sum takes no 128 bits.
_CONTENT: Final = """
SELECT count(*) AS rows, md5(concat_ws(',', sum(('x' || left(hash, 16))::bit(64)::bigint),
    sum(('x' || right(hash, 16))::bit(64)::bigint))) AS checksum
FROM (SELECT md5(ROW({columns})::text) AS hash FROM {table}) AS hashed
"""
# A statement may take hours, and one transaction is idle while it waits for the other database.
_SETTINGS: Final = ("statement_timeout TO 0", "idle_in_transaction_session_timeout TO 0")


@dataclass(frozen=True, slots=True)
class TableToCopy:
    """A table to copy, with its columns."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableContent:
    """The content of a table: its number of rows, and a checksum that does not depend on their order."""

    name: str
    rows: int
    checksum: str


def list_tables(connection: sa.Connection, schema: str) -> list[TableToCopy]:
    """Return all tables but those about the database itself; foreign keys refer to earlier tables only."""
    wanted = {"schema": quote_identifier(schema), "staying": list(_NOT_COPIED)}
    found = {
        row.name: TableToCopy(row.name, tuple(row.columns)) for row in connection.execute(sa.text(_TABLES), wanted)
    }
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(found, ()))
    for row in connection.execute(sa.text(_KEYS), {"schema": quote_identifier(schema)}):
        order.add(row.name, row.needs)
    return [found[name] for name in order.static_order()]


def prepare_connection(connection: sa.Connection) -> None:
    """Prepare a connection for copying, without a snapshot; it must not be reused afterwards."""
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"SET {setting}")


def count_rows(connection: sa.Connection, schema: str, table: TableToCopy) -> int:
    """Return the number of rows of a table."""
    return int(connection.scalar(sa.select(sa.func.count()).select_from(_table_clause(schema, table))) or 0)


def has_rows(connection: sa.Connection, schema: str, table: TableToCopy) -> bool:
    """Return whether a table has any row."""
    return bool(connection.scalar(sa.select(sa.exists().select_from(_table_clause(schema, table)))))


def read_content(connection: sa.Connection, schema: str, table: TableToCopy) -> TableContent:
    """Return the number of rows of a table and their checksum."""
    columns = ", ".join(map(quote_identifier, table.columns))
    row = connection.exec_driver_sql(_CONTENT.format(columns=columns, table=_qualified_name(schema, table))).one()
    return TableContent(table.name, row.rows, row.checksum)


def copy_tables(
    source: sa.Connection, target: sa.Connection, schema: str, wanted: list[TableToCopy], note: Callable[[str], object]
) -> None:
    """Replace the rows of these tables in the target by those of the source; commits neither transaction."""
    places = [_qualified_name(schema, table) for table in wanted]
    target.exec_driver_sql(f"TRUNCATE {', '.join(places)}")
    # The triggers of the queue record events of jobs: these happened in the source, and are copied.
    for place in places:
        target.exec_driver_sql(f"ALTER TABLE {place} DISABLE TRIGGER USER")
    for table in wanted:
        note(table.name)
        _copy_rows(source, target, schema, table)
    for place in places:
        target.exec_driver_sql(f"ALTER TABLE {place} ENABLE TRIGGER USER")
        target.exec_driver_sql(f"ANALYZE {place}")
    _advance_sequences(source, target, schema)


def compare_tables(
    source: sa.Connection, target: sa.Connection, schema: str, wanted: list[TableToCopy], note: Callable[[str], object]
) -> tuple[TableContent, ...]:
    """Return the content of each table, which is equal in both databases.

    Raises:
        StoreError: the content of a table differs.
    """
    contents = []
    for table in wanted:
        note(table.name)
        here, there = read_content(source, schema, table), read_content(target, schema, table)
        if here != there:
            raise StoreError(
                f"table {table.name} differs after the copy: {here.rows:,} rows in the source,"
                f" {there.rows:,} in the target;"
                " the source was not changed"
            )
        contents.append(here)
    return tuple(contents)


def _copy_rows(source: sa.Connection, target: sa.Connection, schema: str, table: TableToCopy) -> None:
    what = f"{_qualified_name(schema, table)} ({', '.join(map(quote_identifier, table.columns))})"
    with (
        _translate_errors(),
        _psycopg_connection(source).cursor() as out,
        _psycopg_connection(target).cursor() as into,
        out.copy(f"COPY {what} TO STDOUT (FORMAT binary)") as read,
        into.copy(f"COPY {what} FROM STDIN (FORMAT binary)") as written,
    ):
        for piece in read:
            written.write(piece)


def _advance_sequences(source: sa.Connection, target: sa.Connection, schema: str) -> None:
    for name in source.execute(sa.text(_SEQUENCES), {"schema": quote_identifier(schema)}).scalars().all():
        place = quote_identifier(schema, name)
        sequence = sa.table(name, sa.column("last_value"), sa.column("is_called"), schema=schema)
        last, is_called = source.execute(sa.select(sequence.c.last_value, sequence.c.is_called)).one()
        values = {"place": place, "last": last, "is_called": is_called}
        target.execute(sa.text("SELECT setval(CAST(:place AS regclass), :last, :is_called)"), values)


def _qualified_name(schema: str, table: TableToCopy) -> str:
    return quote_identifier(schema, table.name)


def _table_clause(schema: str, table: TableToCopy) -> sa.TableClause:
    return sa.table(table.name, schema=schema)


def _psycopg_connection(connection: sa.Connection) -> psycopg.Connection[Any]:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # it is psycopg's
    return driver


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise_translated(sa.exc.DBAPIError.instance(None, None, error, psycopg.Error))
