"""Brings the rows of all our tables from one database into another, the queue's among them, and compares both."""

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
# Each database has its own revision, is where it is, and has processes of its own at work.
_STAYING: Final = (REVISION_TABLE, "database_identity", "rights")

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
# Whoever sums cannot be deceived by the order of rows; the halves are summed, for a sum takes no 128 bits.
_PROOF: Final = """
SELECT count(*) AS rows, md5(concat_ws(',', sum(('x' || left(hash, 16))::bit(64)::bigint),
    sum(('x' || right(hash, 16))::bit(64)::bigint))) AS checksum
FROM (SELECT md5(ROW({columns})::text) AS hash FROM {table}) AS hashed
"""
# No statement here is too long, nor a transaction idle that waits for the other side.
_SETTINGS: Final = ("statement_timeout TO 0", "idle_in_transaction_session_timeout TO 0")


@dataclass(frozen=True, slots=True)
class TableToCopy:
    """A table to copy: its name, and its columns."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableContent:
    """What is in a table: how many rows, and what they hash to, in any order."""

    name: str
    rows: int
    checksum: str


def list_tables(connection: sa.Connection, schema: str) -> list[TableToCopy]:
    """Give all tables but those about a database itself; what a foreign key leads to comes before what has it."""
    wanted = {"schema": quote_identifier(schema), "staying": list(_STAYING)}
    found = {
        row.name: TableToCopy(row.name, tuple(row.columns)) for row in connection.execute(sa.text(_TABLES), wanted)
    }
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(found, ()))
    for row in connection.execute(sa.text(_KEYS), {"schema": quote_identifier(schema)}):
        order.add(row.name, row.needs)
    return [found[name] for name in order.static_order()]


def prepare_connection(connection: sa.Connection) -> None:
    """Make a connection one to copy with; to be thrown away afterwards. It takes no snapshot."""
    for setting in _SETTINGS:
        connection.exec_driver_sql(f"SET {setting}")


def count_rows(connection: sa.Connection, schema: str, table: TableToCopy) -> int:
    """Give how many rows a table has."""
    return int(connection.scalar(sa.select(sa.func.count()).select_from(_selectable(schema, table))) or 0)


def has_rows(connection: sa.Connection, schema: str, table: TableToCopy) -> bool:
    """Say whether there is anything in a table."""
    return bool(connection.scalar(sa.select(sa.exists().select_from(_selectable(schema, table)))))


def read_content(connection: sa.Connection, schema: str, table: TableToCopy) -> TableContent:
    """Give what a table holds."""
    columns = ", ".join(map(quote_identifier, table.columns))
    row = connection.exec_driver_sql(_PROOF.format(columns=columns, table=_place(schema, table))).one()
    return TableContent(table.name, row.rows, row.checksum)


def copy_tables(
    source: sa.Connection, target: sa.Connection, schema: str, wanted: list[TableToCopy], note: Callable[[str], object]
) -> None:
    """Replace what is in these tables of the target by what the source has; both transactions go on."""
    places = [_place(schema, table) for table in wanted]
    target.exec_driver_sql(f"TRUNCATE {', '.join(places)}")
    # The queue's triggers write down what happens to a job: it happened there, and is copied.
    for place in places:
        target.exec_driver_sql(f"ALTER TABLE {place} DISABLE TRIGGER USER")
    for table in wanted:
        note(table.name)
        _copy(source, target, schema, table)
    for place in places:
        target.exec_driver_sql(f"ALTER TABLE {place} ENABLE TRIGGER USER")
        target.exec_driver_sql(f"ANALYZE {place}")
    _advance(source, target, schema)


def compare_tables(
    source: sa.Connection, target: sa.Connection, schema: str, wanted: list[TableToCopy], note: Callable[[str], object]
) -> tuple[TableContent, ...]:
    """Give what is in each table, which is the same on both sides.

    Raises:
        StoreError: it is not.
    """
    found = []
    for table in wanted:
        note(table.name)
        here, there = read_content(source, schema, table), read_content(target, schema, table)
        if here != there:
            raise StoreError(
                f"table {table.name} did not arrive as it is: {here.rows:,} rows there were, {there.rows:,} came;"
                " nothing was changed here"
            )
        found.append(here)
    return tuple(found)


def _copy(source: sa.Connection, target: sa.Connection, schema: str, table: TableToCopy) -> None:
    what = f"{_place(schema, table)} ({', '.join(map(quote_identifier, table.columns))})"
    with (
        _translated(),
        _driver(source).cursor() as out,
        _driver(target).cursor() as into,
        out.copy(f"COPY {what} TO STDOUT (FORMAT binary)") as read,
        into.copy(f"COPY {what} FROM STDIN (FORMAT binary)") as written,
    ):
        for piece in read:
            written.write(piece)


def _advance(source: sa.Connection, target: sa.Connection, schema: str) -> None:
    for name in source.execute(sa.text(_SEQUENCES), {"schema": quote_identifier(schema)}).scalars().all():
        place = f"{quote_identifier(schema)}.{quote_identifier(name)}"
        sequence = sa.table(name, sa.column("last_value"), sa.column("is_called"), schema=schema)
        last, is_called = source.execute(sa.select(sequence.c.last_value, sequence.c.is_called)).one()
        values = {"place": place, "last": last, "is_called": is_called}
        target.execute(sa.text("SELECT setval(CAST(:place AS regclass), :last, :is_called)"), values)


def _place(schema: str, table: TableToCopy) -> str:
    return f"{quote_identifier(schema)}.{quote_identifier(table.name)}"


def _selectable(schema: str, table: TableToCopy) -> sa.TableClause:
    return sa.table(table.name, schema=schema)


def _driver(connection: sa.Connection) -> psycopg.Connection[Any]:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]  # it is psycopg's
    return driver


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise_translated(sa.exc.DBAPIError.instance(None, None, error, psycopg.Error))
