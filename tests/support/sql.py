"""Asks a test's database: the rows or the first row of a statement, or its effect alone.

The search path is the schema of the tables. A name after a colon in the statement is a parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database


def rows(database: Database, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Return all rows of a statement as tuples."""
    return [tuple(row) for row in _rows(database, statement, parameters)]


def row(database: Database, statement: str, **parameters: object) -> Any:
    """Return the first row of a statement with its columns as attributes, or None if there is no row."""
    found = _rows(database, statement, parameters)
    return found[0] if found else None


def execute(database: Database, statement: str, **parameters: object) -> None:
    """Execute a statement in a transaction of its own."""
    _rows(database, statement, parameters)


def _rows(database: Database, statement: str, parameters: dict[str, object]) -> list[Any]:
    def run(connection: sa.Connection) -> list[Any]:
        connection.execute(sa.text(f"SET LOCAL search_path TO {database.schema}"))
        result = connection.execute(sa.text(statement), parameters)
        return list(result) if result.returns_rows else []

    return database.transaction(run)
