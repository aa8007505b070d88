"""Fill the columns of `core` in rows that are older than these columns, and build their indexes, while others write.

The migration that adds the columns neither fills rows nor builds indexes where there are rows: both would lock the
tables for minutes. `finish_columns` does it afterwards, a batch a transaction. An index that is there says that all
rows of its table are filled, so a run that was killed is followed by one that does the rest.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex

from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.postgres.database import Database

log = logging.getLogger(__name__)
BATCH: Final = 2000
_NAMED: Final = "_core_"
# A migration under way, or an older program's, may not have added the columns yet.
_UNFINISHED: Final = sa.text("""
    SELECT wanted.name FROM unnest(CAST(:tables AS text[]), CAST(:names AS text[])) AS wanted (table_name, name)
    JOIN pg_class AS t ON t.relnamespace = to_regnamespace(:schema) AND t.relname = wanted.table_name
    JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attname = 'core_account_id'
    WHERE NOT EXISTS (
        SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE i.indrelid = t.oid AND i.indisvalid AND c.relname = wanted.name
    )
""")
# An index waits for transactions that are older than it.
PATIENCE: Final = ("SET statement_timeout TO 0", "SET lock_timeout TO '10min'")

INDEXES: Final[tuple[sa.Index, ...]] = tuple(
    index
    for table in metadata.sorted_tables
    for index in sorted(table.indexes, key=lambda one: str(one.name))
    if _NAMED in str(index.name)
)


def list_unfinished(database: Database) -> list[sa.Index]:
    """Return the indexes that are missing, or whose building was interrupted."""
    wanted = {
        "schema": quote_identifier(database.schema),
        "tables": [_table(index).name for index in INDEXES],
        "names": [str(index.name) for index in INDEXES],
    }
    names = database.transaction(lambda connection: set(connection.scalars(_UNFINISHED, wanted)), is_one_statement=True)
    return [index for index in INDEXES if index.name in names]


def list_unfinished_tables(database: Database) -> list[str]:
    """Return the tables that have rows to be filled, or indexes to be built."""
    return list(dict.fromkeys(_table(index).name for index in list_unfinished(database)))


def finish_columns(database: Database) -> None:
    """Fill all rows, and build the indexes; do nothing where that is done.

    Raises:
        StoreError: the server refuses a statement.
    """
    unfinished = list_unfinished(database)
    for table in dict.fromkeys(map(_table, unfinished)):
        _fill(database, table)
        _build_indexes(database, [index for index in unfinished if index.table is table])


def _table(index: sa.Index) -> sa.Table:
    table = index.table
    assert table is not None  # noqa: S101  (each is of a table)
    return table


def _fill(database: Database, table: sa.Table) -> None:
    after: Sequence[Any] | None = None
    filled = 0
    while True:
        count, after = database.transaction(partial(_fill_batch, table=table, after=after))
        filled += count
        if after is None:
            log.info("%s: filled the columns of core in %s rows", table.name, f"{filled:,}")
            return


def _fill_batch(
    connection: sa.Connection, table: sa.Table, after: Sequence[Any] | None
) -> tuple[int, Sequence[Any] | None]:
    """Fill the rows behind `after`; return how many, and the key of the last one, or None at the end of the table."""
    key = tuple(table.primary_key.columns)
    behind = sa.true() if after is None else sa.tuple_(*key) > sa.tuple_(*after)
    last = connection.execute(sa.select(*key).where(behind).order_by(*key).offset(BATCH - 1).limit(1)).one_or_none()
    until = sa.true() if last is None else sa.tuple_(*key) <= sa.tuple_(*last)
    mark = table.c["core_key" if "core_key" in table.c else "core_listing_key"]
    # Locked in the order in which other writers lock them.
    empty = sa.select(*key).where(behind, until, mark.is_(None)).order_by(*key).with_for_update().cte("empty")
    # The trigger of the table fills the row.
    same = sa.and_(*(column == empty.c[column.name] for column in key))
    result = connection.execute(sa.update(table).where(same).values({mark: None}))
    return result.rowcount, last


def _build_indexes(database: Database, indexes: Sequence[sa.Index]) -> None:
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        try:
            connection.exec_driver_sql(f"SET search_path TO {quote_identifier(database.schema)}")
            for setting in PATIENCE:
                connection.exec_driver_sql(setting)
            for index in indexes:
                connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {quote_identifier(str(index.name))}")
                create = str(CreateIndex(index).compile(dialect=connection.dialect))
                connection.exec_driver_sql(create.replace("CREATE INDEX ", "CREATE INDEX CONCURRENTLY ", 1))
        finally:
            connection.invalidate()  # of other settings
