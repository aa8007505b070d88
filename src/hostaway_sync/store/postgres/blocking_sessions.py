"""Find the sessions that hold a lock on our tables, for the error of a command that could not get the lock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.identifiers import quote_identifier

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

# A table that an open transaction has created has no row in pg_class yet.
_OF_ANY: Final = """
SELECT DISTINCT l.pid, a.usename AS role
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid LEFT JOIN pg_class AS c ON c.oid = l.relation
WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.relation IS NOT NULL AND (c.oid IS NULL OR c.relnamespace = to_regnamespace(:schema))
    AND l.pid <> pg_backend_pid()
ORDER BY l.pid LIMIT 5
"""
_OF_ONE_TO_WRITE: Final = """
SELECT DISTINCT l.pid, a.usename AS role
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.relation = to_regclass(:table) AND l.mode <> 'AccessShareLock' AND l.pid <> pg_backend_pid()
ORDER BY l.pid LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class BlockingSessions:
    """Blocking sessions, as parts of a sentence.

    Attributes:
        sessions: names them by process and role.
        advice: how to end them; follows "wait until that ends".
    """

    sessions: str
    advice: str


def find_blocking_sessions(database: Database, table: str | None = None) -> BlockingSessions:
    """Return the sessions that hold any lock on a table of ours, or more than a read lock on `table`."""
    wanted = {"schema": quote_identifier(database.schema)}
    if table is not None:
        wanted = {"table": quote_identifier(database.schema, table)}
    query = sa.text(_OF_ANY if table is None else _OF_ONE_TO_WRITE)
    rows = database.transaction(lambda connection: connection.execute(query, wanted).all())
    sessions = ", ".join(f"session {row.pid} of role {row.role!r}" for row in rows)
    ends = "; ".join(f"SELECT pg_terminate_backend({row.pid})" for row in rows)
    return BlockingSessions(
        sessions or "a session that has ended just now",
        f", or end it with `{ends}`" if ends else "",
    )
