"""Names and texts as SQL writes them, for statements whose names PostgreSQL takes no parameters for."""

from __future__ import annotations

from psycopg import sql


def quote_identifier(name: str) -> str:
    """Return the name of a schema, table or column as SQL writes it."""
    return sql.Identifier(name).as_string(None)


def quote_literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return sql.Literal(text).as_string(None)
