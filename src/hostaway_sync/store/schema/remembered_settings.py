"""Setting names known to the programs that migrated this database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.tables import setting_names

if TYPE_CHECKING:
    from collections.abc import Collection

    from hostaway_sync.store.postgres.database import Database


def record_setting_names(database: Database, names: Collection[str]) -> None:
    """Add names to the stored ones; an older release that migrates later removes none of them."""
    missing = frozenset(names) - read_setting_names(database)
    if missing:
        statement = insert(setting_names).on_conflict_do_nothing()
        rows = [{"name": name} for name in sorted(missing)]
        database.transaction(lambda connection: connection.execute(statement, rows))


def read_setting_names(database: Database) -> frozenset[str]:
    """Return all stored names; none where the database has no table for them yet."""

    def read(connection: sa.Connection) -> frozenset[str]:
        place = quote_identifier(database.schema, "setting_names")
        if connection.scalar(sa.select(sa.func.to_regclass(place))) is None:
            return frozenset()
        return frozenset(connection.scalars(sa.select(setting_names.c.name)))

    return database.transaction(read)
