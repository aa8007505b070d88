"""Statements compiled by one connection pool serve all of a process."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hostaway_sync.store.postgres.compiled_statements import CompiledStatements
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.tables import accounts


def compiled(database: Database, statement: sa.Executable) -> Any:
    """Run a statement, and return its compiled form."""
    return database.transaction(lambda connection: connection.execute(statement).context.compiled)


def names(database: Database) -> list[str | None]:
    """Return the names of all accounts in the schema of a database."""
    query = sa.select(accounts.c.name).order_by(accounts.c.account_id)
    return database.transaction(lambda connection: list(connection.scalars(query)))


def test_second_pool_compiles_no_statement_again(database: Database, database_url: str) -> None:
    """A test, a receiver or a worker opens several pools, and compiling takes longer than running."""
    another = Database(database_url, schema="hostaway")
    try:
        numbers = (sa.select(accounts.c.account_id).where(accounts.c.account_id == number) for number in (1, 2))
        first, second = (compiled(pool, query) for pool, query in zip((database, another), numbers, strict=True))
        assert first is second
        assert first is not compiled(database, sa.select(accounts.c.account_id))
    finally:
        another.close()


def test_each_schema_has_rows_of_its_own(database: Database, database_url: str) -> None:
    """The text that pools share leaves out the schema's name."""
    for number, schema in enumerate(("one", "two")):
        for statement in (
            f"CREATE SCHEMA {schema}",
            f"CREATE TABLE {schema}.accounts AS SELECT {number}::bigint AS account_id, '{schema}' AS name",
        ):
            database.transaction(lambda connection, text=statement: connection.exec_driver_sql(text))  # type: ignore[misc]
    pools = [Database(database_url, schema=schema) for schema in ("one", "two")]
    try:
        assert [names(pool) for pool in (database, *pools, database)] == [[], ["one"], ["two"], []]
    finally:
        for pool in pools:
            pool.close()


def test_servers_of_different_versions_share_no_text() -> None:
    """A dialect writes statements for its own server."""

    class Dialect:
        def __init__(self, *version: int) -> None:
            self.server_version_info = version

    texts = CompiledStatements()
    found: Any = object()
    texts[Dialect(15, 4), "query"] = found
    assert texts.get((Dialect(15, 4), "query")) is found
    assert texts.get((Dialect(18, 0), "query")) is None
    assert texts.get((Dialect(15, 4), "another")) is None
