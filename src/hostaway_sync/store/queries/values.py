"""The answer of a short query, as values of Python."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.store.queries.session import open_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.postgres.database import Database

TIMEOUT: Final = timedelta(minutes=10)


def read_values(database: Database, query: str) -> tuple[list[str], list[Sequence[object]]]:
    """Return the column names and rows of `query`, in which unqualified names are the mirror's tables.

    Raises:
        UsageError: the query is wrong, or names no table of the mirror.
        StoreError: the query would write, or this role may not run it.
    """
    with open_query(database, query, TIMEOUT) as opened:
        return [column.name for column in opened.columns], list(opened.values())
