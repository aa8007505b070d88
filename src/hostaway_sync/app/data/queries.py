"""Queries in plain SQL, which change nothing."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import StoreError
from hostaway_sync.store.queries.embedded_reader import reading
from hostaway_sync.store.queries.session import open_query
from hostaway_sync.store.queries.values import read_values
from hostaway_sync.store.schema import revisions

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from hostaway_sync.app.container import Container
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.queries.session import Query

TIMEOUT: Final = timedelta(minutes=5)
_DENIED: Final = "42501"


class Queries:
    """Queries of one mirror's database.

    Args:
        container: names the database that the mirror is in.
    """

    def __init__(self, container: Container) -> None:
        self._database = container.database

    def values(self, sql: str) -> tuple[list[str], list[Sequence[object]]]:
        """Return column names and rows of a query, all at once.

        Raises:
            UsageError: the query cannot be answered.
            StoreError: it would write, or this user may not ask it.
        """
        with reading(self._database) as database:
            return read_values(database, sql)

    @contextmanager
    def open(self, sql: str, *, timeout: timedelta = TIMEOUT) -> Generator[Query]:
        """Open a query whose answer, of any length, is read in a stream while the block runs.

        Raises:
            UsageError: the query cannot be answered.
            StoreError: it would write, took too long or failed; or this user may not ask it.
            SchemaOutdated: the schema is not this program's, as far as this user may see.
        """
        _require_current(self._database)
        with reading(self._database) as database, open_query(database, sql, timeout) as query:
            yield query


def _require_current(database: Database) -> None:
    """Require the schema of this program; a reader, who may not see the revision, reads what it may."""
    try:
        revisions.require_current(database)
    except StoreError as error:
        if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) != _DENIED:
            raise
