"""Which process each worker of the queue belongs to, so that the work of a killed one is taken over at once.

The engine knows a worker by a number and by the time of its last heartbeat. So each worker claims a right under its
number, which names its process, as a process that sends a message does. A process of this host is proven dead by that
name; of any other, only silence tells, as before.

    heartbeat          process of this host that is gone     any other process
    lately             its work is taken over                its work is left alone
    not for long       its work is taken over                its work is taken over
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.store.processes.names import has_died
from hostaway_sync.store.tables import rights
from hostaway_sync.store.tables.queue import workers

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX: Final = "worker "

# The engine's connection runs these two: it finds the table by its search path.
CLAIM_SQL: Final = (
    "INSERT INTO rights (name, owner, expires_at)"
    " VALUES (%(right)s, %(owner)s, pg_catalog.clock_timestamp() + %(life)s)"
    " ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at"
)
RELEASE_SQL: Final = "DELETE FROM rights WHERE name = %(right)s AND owner = %(owner)s"


def name_worker_right(worker_id: int) -> str:
    """Name the right that a worker's process claims for as long as the worker is registered."""
    return f"{_PREFIX}{worker_id}"


def remove_dead_workers(connection: sa.Connection, *, has_died: Callable[[str], bool] = has_died) -> list[int]:
    """Delete the workers whose process surely died, and return their numbers; their jobs then have no worker.

    Workers that another process is deleting at this moment are left to that process.
    """
    name = sa.literal(_PREFIX) + sa.cast(workers.c.id, sa.Text)
    query = sa.select(workers.c.id, rights.c.owner).join(rights, rights.c.name == name)
    query = query.where(rights.c.owner.is_not(None)).order_by(workers.c.id)
    found = connection.execute(query).all()
    dead = [row.id for row in found if has_died(row.owner)]
    if not dead:
        return []
    locked = sa.select(workers.c.id).where(workers.c.id.in_(dead)).order_by(workers.c.id)
    ours = list(connection.scalars(locked.with_for_update(skip_locked=True)))
    connection.execute(sa.delete(workers).where(workers.c.id.in_(ours)))
    connection.execute(sa.delete(rights).where(rights.c.name.in_([name_worker_right(number) for number in ours])))
    return ours
