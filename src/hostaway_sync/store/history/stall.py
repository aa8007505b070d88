"""Find the transaction that the feed of changes waits for, where it does not end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.model.history.stall import STALLED_AFTER, FeedStall
from hostaway_sync.store.history.feed import find_end
from hostaway_sync.store.tables import changes

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

# Of all that wait, those of the oldest transactions: the first of them is hardly ever younger than the rest.
_LOOKED_AT: Final = 100
# Every role may see these locks; of sessions of other roles it may see no more than who they are.
_HOLDER: Final = """
SELECT l.pid, p.gid AS prepared, coalesce(a.application_name, '') AS application,
       coalesce(a.usename, p.owner, '')::text AS role, coalesce(a.datname, p.database, '')::text AS database,
       coalesce(a.xact_start, p.prepared) AS began_at
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_prepared_xacts AS p ON p.transaction = l.transactionid AND l.pid IS NULL
WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock'
  AND l.transactionid = ((pg_snapshot_xmin(pg_current_snapshot())::text::bigint) & 4294967295)::text::xid
LIMIT 1
"""


def find_stall(database: Database) -> FeedStall | None:
    """Return what the feed waits for, if changes have waited for more than `STALLED_AFTER`."""

    def read(connection: sa.Connection) -> FeedStall | None:
        # All statements see the same oldest transaction; where it has ended meanwhile, it holds no lock.
        connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        waiting = (
            sa.select(changes.c.changed_at)
            .where(changes.c.position >= find_end(connection).high)
            .order_by(changes.c.position, changes.c.change_id)
            .limit(_LOOKED_AT)
            .subquery()
        )
        since, now = connection.execute(sa.select(sa.func.min(waiting.c.changed_at), sa.func.clock_timestamp())).one()
        if since is None or now - since < STALLED_AFTER:
            return None
        holder = connection.execute(sa.text(_HOLDER)).one_or_none()
        return None if holder is None else FeedStall(waiting_since=since, **holder._asdict())

    return database.transaction(read)
