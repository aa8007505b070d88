"""Transactions that only the holder of an account's lease can commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.store.postgres.database import Database

T = TypeVar("T")


class FencedWrites:
    """Reads and fenced writes of one run.

    Args:
        database: with the tables.
        lease: the account's, held by this run.
        cause: what causes the changes that are written.
    """

    def __init__(self, database: Database, lease: leases.Lease, cause: Cause) -> None:
        self.database = database
        self._lease = lease
        self._cause = cause

    def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` reads in a transaction."""
        return self.database.transaction(work)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, in a transaction that checks the lease first.

        Raises:
            LeaseLost: another run took over; nothing was written.
        """

        def fenced(connection: Connection) -> T:
            leases.fence_transaction(connection, self._lease, self._cause)
            return work(connection)

        return self.database.transaction(fenced)
