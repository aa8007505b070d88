"""The request budget: one row a bucket, shared by every process and machine that uses this database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.calls import Bucket, Grant, Priority
from hostaway_sync.store.tables import request_budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.engine import Database

# Kept free after each window for the way to the source, which differs from request to request; a message to a guest
# writes its intent to the disk on that way. Two per cent leave 98 % of the limit usable.
_MARGIN_SHARE = 0.02
_LOWERED_FOR = timedelta(days=1)


def margin(bucket: Bucket) -> timedelta:
    """Give the time that is kept free after a bucket's window."""
    return bucket.window * _MARGIN_SHARE


class DatabaseBudget:
    """The `Budget` in PostgreSQL. Every grant is committed before it is used, whatever becomes of the caller's work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.USUAL) -> Grant:
        """Take the earliest slot of all `buckets` at once, perhaps before one that was granted for later.

        Raises:
            StoreUnavailable: the database did not come back within a minute.
        """
        function = getattr(sa.func, self._database.schema).reserve_request(
            _array([bucket.key for bucket in buckets], sa.Text()),
            _array([bucket.limit for bucket in buckets], sa.Integer()),
            _array([bucket.window for bucket in buckets], sa.Interval()),
            _array([margin(bucket) for bucket in buckets], sa.Interval()),
            sa.cast(priority.value, sa.Text()),
        )
        slot = function.table_valued(
            sa.column("granted_at", sa.DateTime(timezone=True)), sa.column("wait", sa.Interval()), name="slot"
        )
        row = self._database.transaction(lambda c: c.execute(sa.select(slot)).one(), is_one_statement=True)
        slack = min(margin(bucket) for bucket in buckets) / 2
        return Grant(granted_at=row.granted_at, wait=max(row.wait, timedelta()), slack=slack)

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Keep silent in `buckets` for `retry_in`; a `limit` below a bucket's own holds for a day."""
        pause = sa.func.clock_timestamp() + retry_in

        def write(connection: sa.Connection) -> None:
            for bucket in sorted(buckets, key=lambda bucket: bucket.key):
                lowered = limit is not None and 0 < limit < bucket.limit
                values = {"not_before": pause} | (
                    {"lowered_to": limit, "lowered_until": sa.func.clock_timestamp() + _LOWERED_FOR} if lowered else {}
                )
                statement = insert(request_budget).values(key=bucket.key, **values)
                later = sa.func.greatest(request_budget.c.not_before, statement.excluded.not_before)
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["key"], set_=values | {"not_before": later})
                )

        self._database.transaction(write)


def _array(values: Sequence[object], kind: sa.types.TypeEngine[Any]) -> sa.Cast[Sequence[Any]]:
    return sa.cast(sa.literal(list(values), sa.ARRAY(kind)), sa.ARRAY(kind))
