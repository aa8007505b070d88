"""Rights that one process holds at a time: rows of a table that no reader of the database may lock.

Every role that may log in can take any advisory lock. A row can be locked only by a role that may change it, and
these rows only by the writer. A right is held in one of two ways:

`lock_right`     until the end of a transaction: the row is locked
`claim_right`    until it is released: the row names its owner, who renews it; it expires when that owner dies

For one release, `last_release_locks` excludes programs of the last release, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.store.processes import last_release_locks
from hostaway_sync.store.processes.names import has_died
from hostaway_sync.store.tables import rights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

# How long a claim holds without being renewed: as long as a lease.
CLAIM_LIFETIME: Final = timedelta(seconds=90)
# Built once: they take longer to build than to run.
_ITSELF: Final = sa.select(rights.c.name).where(rights.c.name == sa.bindparam("right", type_=sa.Text))
_SHARED: Final = _ITSELF.with_for_update(read=True)
_ALONE: Final = _ITSELF.with_for_update()


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed right.

    Attributes:
        owner: name of the process, by `name_this_process`.
        expires_at: when it ends, unless it is renewed.
        is_expired: whether that time has passed.
    """

    owner: str
    expires_at: datetime
    is_expired: bool

    @property
    def has_ended(self) -> bool:
        """Whether another process may claim the right: its owner is surely dead, or has not renewed it in time."""
        return self.is_expired or has_died(self.owner)


def lock_right(connection: sa.Connection, right: str, *, shared: bool = False) -> None:
    """Hold a right until the transaction of `connection` ends; wait for the process that holds it.

    Args:
        connection: in a transaction, whose `lock_timeout` ends the wait.
        right: name of the right.
        shared: several may hold it at once, and exclude those that want it alone.

    Raises:
        StoreBusy: a program of the last release holds it, and did not release it in time.
    """
    itself = _SHARED if shared else _ALONE
    while connection.scalar(itself, {"right": right}) is None:
        # The row is missing only the first time. It is inserted on this connection: a second one of the pool might
        # never be free where all transactions want a second one.
        connection.execute(insert(rights).values(name=right).on_conflict_do_nothing())
    last_release_locks.acquire_for_transaction(
        connection, last_release_locks.lock_for_right(get_schema(connection), right), shared=shared
    )


def claim_right(connection: sa.Connection, right: str, owner: str) -> bool:
    """Claim a right for `owner`, unless a living process has it; return whether `owner` has it now."""
    found = read_claim(connection, right)
    if found is not None and found.owner != owner and not found.has_ended:
        return False
    values = {"owner": owner, "expires_at": sa.func.clock_timestamp() + CLAIM_LIFETIME}
    # Only if the row is still as it was read: another process may be faster.
    is_as_seen = sa.and_(
        rights.c.owner.is_not_distinct_from(found and found.owner),
        rights.c.expires_at.is_not_distinct_from(found and found.expires_at),
    )
    statement = insert(rights).values(name=right, **values)
    statement = statement.on_conflict_do_update(index_elements=[rights.c.name], set_=values, where=is_as_seen)
    return connection.scalar(statement.returning(rights.c.name)) is not None


def renew_claims(connection: sa.Connection, claimed: Mapping[str, str]) -> None:
    """Renew claims, given as names and owners; a claim that another process has taken over is left to it."""
    for right, owner in claimed.items():
        statement = sa.update(rights).where(rights.c.name == right, rights.c.owner == owner)
        connection.execute(statement.values(expires_at=sa.func.clock_timestamp() + CLAIM_LIFETIME))


def release_claim(connection: sa.Connection, right: str, owner: str) -> None:
    """Delete a claim, if it is still `owner`'s."""
    connection.execute(sa.delete(rights).where(rights.c.name == right, rights.c.owner == owner))


def delete_rights(connection: sa.Connection, names: Iterable[str]) -> None:
    """Delete the rows of rights that no process needs any more, unless they are claimed."""
    connection.execute(sa.delete(rights).where(rights.c.name.in_(list(names)), rights.c.owner.is_(None)))


def read_claim(connection: sa.Connection, right: str) -> Claim | None:
    """Return the claim of a right; None: no process has claimed it."""
    now = sa.func.clock_timestamp()
    # A claim that expires so late was made while the database's clock was ahead, and would hold for too long.
    is_expired = sa.or_(rights.c.expires_at <= now, rights.c.expires_at > now + 2 * CLAIM_LIFETIME).label("is_expired")
    query = sa.select(rights.c.owner, rights.c.expires_at, is_expired).where(rights.c.name == right)
    row = connection.execute(query.where(rights.c.owner.is_not(None))).one_or_none()
    return None if row is None else Claim(row.owner, row.expires_at, row.is_expired)


def get_schema(connection: sa.Connection) -> str:
    """Return the schema of the tables of a connection."""
    schema: str = connection.get_execution_options()["schema_translate_map"][None]
    return schema
