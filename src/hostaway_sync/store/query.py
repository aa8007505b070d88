"""Questions to the mirror in plain SQL, answered without the means to change anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.engine import Database


def read_only(database: Database, query: str) -> tuple[list[str], list[Sequence[object]]]:
    """Give column names and rows of `query`, whose unqualified names are the mirror's tables."""

    def read(connection: sa.Connection) -> tuple[list[str], list[Sequence[object]]]:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        connection.execute(sa.select(sa.func.set_config("search_path", database.schema, True)))  # noqa: FBT003  (it takes no keyword)
        result = connection.exec_driver_sql(query)
        return list(result.keys()), [tuple(row) for row in result]

    return database.transaction(read)
