from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from tests.support import sql

from hostaway_sync.store.history.new_changes import find_new_changes

if TYPE_CHECKING:
    from hostaway_sync.model.history.new_changes import NewChanges
    from hostaway_sync.store.postgres.database import Database

CUSTOMER = UUID(int=7)


def look(database: Database, since: int | None) -> NewChanges:
    """Look for what came since a position."""
    return database.transaction(partial(find_new_changes, since=since))


def test_each_look_tells_whose_records_changed_since_the_last(database: Database) -> None:
    """The first says any; a change that an older transaction holds back comes when that one has ended."""
    sql.execute(database, f"INSERT INTO accounts (account_id, customer_id) VALUES (1, NULL), (2, '{CUSTOMER}')")
    first = look(database, None)
    assert first.accounts is None
    assert look(database, first.position).accounts == frozenset()
    new = (
        "INSERT INTO changes (account_id, resource, record_id, change, position) SELECT {}, 'sync', 'x', 'updated', {}"
    )
    now = "pg_current_xact_id()\\:\\:text\\:\\:bigint"
    with database.engine.begin() as older:
        older.execute(sa.text("SELECT pg_current_xact_id()"))
        sql.execute(database, new.format("unnest(ARRAY[1, 1, 2])", now))
        held = look(database, first.position)
        assert (held.accounts, held.is_waiting) == (frozenset(), True)
    found = look(database, held.position)
    assert (found.accounts, found.is_waiting) == (frozenset({(1, None), (2, CUSTOMER)}), False)
    assert look(database, found.position).accounts == frozenset()
    assert look(database, found.position + 10**9).accounts is None
