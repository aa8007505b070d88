from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from tests.support import sql
from tests.support.changes import insert_changes
from tests.support.records import add_account

from hostaway_sync.store.history.stall import find_stall

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database


def test_transaction_that_holds_the_feed_up_is_named(database: Database) -> None:
    """Not while nothing waits for it, nor while what waits is young, nor when it has ended."""
    add_account(database)
    with database.engine.connect() as holder:
        (pid,) = holder.execute(sa.text("SELECT pg_backend_pid()")).one()
        holder.execute(sa.text("SET application_name TO 'nightly job'"))
        insert_changes(database, days=2)
        holder.execute(sa.text("SELECT pg_current_xact_id()"))
        assert find_stall(database) is None
        insert_changes(database)
        assert find_stall(database) is None
        insert_changes(database, 3, days=1)
        stall = find_stall(database)
        assert stall is not None
        since = sql.row(database, "SELECT min(changed_at) FROM changes WHERE changed_at > now() - interval '36 h'")[0]
        assert (stall.pid, stall.application, stall.prepared, stall.waiting_since) == (pid, "nightly job", None, since)
        assert stall.began_at is not None
        assert stall.role == sql.row(database, "SELECT current_user")[0]
        assert stall.database == database.engine.url.database
    assert find_stall(database) is None
