"""Run statements of SQL as they are written: no colon in them begins a parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterable


def run_verbatim(connection: sa.Connection, statements: Iterable[str]) -> None:
    """Run these statements one after the other."""
    for statement in statements:
        connection.execute(verbatim(statement))


def verbatim(statement: str) -> sa.TextClause:
    """Return a statement as SQLAlchemy's text in which no colon begins a parameter."""
    return sa.text(statement.replace(":", r"\:"))
