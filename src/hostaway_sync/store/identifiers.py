"""Quote names and texts by psycopg, for statements in which PostgreSQL takes no parameters."""

from __future__ import annotations

from psycopg import sql


def quote_identifier(*parts: str) -> str:
    """Return a name as SQL writes it: of a schema, table or column, or of a table after its schema (two parts)."""
    return sql.Identifier(*parts).as_string(None)


def quote_literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return sql.Literal(text).as_string(None)
