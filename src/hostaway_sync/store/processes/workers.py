"""The process of each Procrastinate worker, so that the jobs of a killed one are taken over at once.

Procrastinate knows a worker's id and its last heartbeat. So each worker claims a right under its id, and the claim
names its process. By that name a process of this host is proven dead; of other hosts, only the heartbeat tells.

    last heartbeat     process of this host that is gone     any other process
    recent             its jobs are taken over               its jobs are left alone
    long ago           its jobs are taken over               its jobs are taken over
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

# Procrastinate's connection runs these two: it finds the table by its search path.
CLAIM_SQL: Final = (
    "INSERT INTO rights (name, owner, expires_at)"
    " VALUES (%(right)s, %(owner)s, pg_catalog.clock_timestamp() + %(life)s)"
    " ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at"
)
RELEASE_SQL: Final = "DELETE FROM rights WHERE name = %(right)s AND owner = %(owner)s"


def name_worker_right(worker_id: int) -> str:
    """Return the name of the right that a worker's process claims while the worker is registered."""
    return f"{_PREFIX}{worker_id}"


def remove_dead_workers(connection: sa.Connection, *, has_died: Callable[[str], bool] = has_died) -> list[int]:
    """Delete the workers whose process is surely dead, and return their ids; their jobs then have no worker.

    Workers that another process is deleting right now are left to it.
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
