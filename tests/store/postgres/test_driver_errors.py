"""Settings of a database that prevent our work: the sentences about them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql

from hostaway_sync.errors import StoreError
from hostaway_sync.store.status.server import read_server

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

STANDBY, GRANT = "connect to the primary server if", "connect as the one who ran `hostaway-sync migrate`"


@pytest.mark.parametrize(
    ("setting", "statement", "sentence", "way_out"),
    [
        ("default_transaction_read_only = on", "CREATE TABLE hostaway.more ()", "read-only", STANDBY),
        ("role = pg_monitor", "SELECT FROM hostaway.accounts", "permission denied for schema hostaway", GRANT),
        ("role = pg_monitor", "CREATE SCHEMA more", "permission denied for database", GRANT),
    ],
)
def test_read_only_setting_of_the_database_is_named(
    database: Database, setting: str, statement: str, sentence: str, way_out: str
) -> None:
    """The server's words, and what to do about it."""
    name = database.engine.url.database
    sql.execute(database, f"ALTER DATABASE {name} SET {setting}")
    apart = database.separate_pool(pool_size=2, patience=0)
    try:
        with pytest.raises(StoreError, match=f"^the database refuses us: .*{sentence}") as caught:
            apart.transaction(lambda connection: connection.execute(sa.text(statement)))
        assert way_out in str(caught.value)
        assert setting.partition(" ")[0] in str(caught.value)
    finally:
        apart.close()
        sql.execute(database, f"ALTER DATABASE {name} RESET ALL")


def test_role_set_by_a_setting_is_explained(database: Database) -> None:
    """`doctor` says whose rights are missing; without the setting there is no such sentence."""
    assert read_server(database).replaced_by_role is None
    name = database.engine.url.database
    sql.execute(database, f"ALTER DATABASE {name} SET role = pg_monitor")
    try:
        with closing(database.separate_pool(pool_size=2, patience=0)) as apart:
            found = read_server(apart)
        assert (found.replaced_by_role, found.missing_rights) == ("pg_monitor", ("schema hostaway: usage",))
    finally:
        sql.execute(database, f"ALTER DATABASE {name} RESET ALL")
