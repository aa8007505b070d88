"""Exports: rows of a view of `core` for people who know no SQL."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.data.queries import Queries
from hostaway_sync.store.queries.export_query import write_query
from hostaway_sync.store.queries.exports import ExportRequest

if TYPE_CHECKING:
    from collections.abc import Generator

    from hostaway_sync.app.container import Container
    from hostaway_sync.store.queries.exports import Export
    from hostaway_sync.store.queries.session import Query

TIMEOUT: Final = timedelta(hours=1)
_EVERYTHING: Final = ExportRequest()


class Exports:
    """Exports of one mirror.

    Args:
        container: names the database that the mirror is in, and the schema of its views.
    """

    def __init__(self, container: Container) -> None:
        self._container = container

    @contextmanager
    def open(
        self, export: Export, request: ExportRequest = _EVERYTHING, timeout: timedelta = TIMEOUT
    ) -> Generator[Query]:
        """Open an export whose rows, however many, are read in a stream while the block runs.

        Raises:
            UsageError: days are asked of rows that have none.
            StoreError: there is no such view, this user may not read it, or it took too long.
        """
        schema = self._container.settings.core_schema
        sql = write_query(self._container.database, schema, export, request)
        with Queries(self._container).open(sql, timeout=timeout) as query:
            yield query
