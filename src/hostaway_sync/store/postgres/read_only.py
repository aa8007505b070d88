"""Queries in plain SQL, run in a read-only transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.postgres.database import Database

_DENIED: Final = "42501"
_WOULD_WRITE: Final = "25006"


def run_read_only(database: Database, query: str) -> tuple[list[str], list[Sequence[object]]]:
    """Return the column names and rows of `query`, in which unqualified names are the mirror's tables.

    Raises:
        UsageError: the query is wrong, or names no table of the mirror.
        StoreError: the query would write, or this role may not run it.
    """

    def read(connection: sa.Connection) -> tuple[list[str], list[Sequence[object]]]:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        connection.execute(sa.select(sa.func.set_config("search_path", database.schema, True)))  # noqa: FBT003  (it takes no keyword)
        try:
            result = connection.exec_driver_sql(query)
        except sa.exc.ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) == _DENIED:
                raise
            raise UsageError(f"the query cannot be run: {str(error.orig).splitlines()[0]}") from error
        except sa.exc.InternalError as error:
            if getattr(error.orig, "sqlstate", None) != _WOULD_WRITE:
                raise
            raise StoreError(
                f"the query would write, and only reading is allowed: {str(error.orig).splitlines()[0]}"
            ) from error
        return list(result.keys()), [tuple(row) for row in result]

    return database.transaction(read)
