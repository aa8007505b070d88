"""The request budget: one row a bucket, shared by every process and machine that uses this database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.calls import Bucket, Grant, Priority
from hostaway_sync.store.tables import request_budget, source_outages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.engine import Database
    from hostaway_sync.store.outages import Lookout

# Kept free after each window for the way to the source, which differs from request to request; a message to a guest
# writes its intent to the disk on that way. Two per cent leave 98 % of the limit usable.
_MARGIN_SHARE = 0.02
_LOWERED_FOR = timedelta(days=1)
_SLOT: tuple[sa.ColumnClause[Any], ...] = (
    sa.column("granted_at", sa.DateTime(timezone=True)),
    sa.column("wait", sa.Interval()),
)


def margin(bucket: Bucket) -> timedelta:
    """Give the time that is kept free after a bucket's window."""
    return bucket.window * _MARGIN_SHARE


class DatabaseBudget:
    """The `Budget` in PostgreSQL. Every grant is committed before it is used, whatever becomes of the caller's work.

    Args:
        database: that all who share the budget use.
        lookout: knows whether the source is away, and nothing is granted then; None: nobody looks.
    """

    def __init__(self, database: Database, lookout: Lookout | None = None) -> None:
        self._database = database
        self._lookout = lookout

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.USUAL) -> Grant:
        """Take the earliest slot of all `buckets` at once, perhaps before one that was granted for later.

        Raises:
            StoreUnavailable: the database did not come back within a minute.
            SourceAway: the source is away, and it is not our turn to look whether it is back.
        """
        row = self._taken(buckets, priority)
        slack = min(margin(bucket) for bucket in buckets) / 2
        return Grant(granted_at=row.granted_at, wait=max(row.wait, timedelta()), slack=slack)

    def _taken(self, buckets: Sequence[Bucket], priority: Priority) -> sa.Row[Any]:
        """Take a slot, and see in the same statement whether the source is away: then none is taken."""
        keys: sa.ColumnElement[Any] = _array([bucket.key for bucket in buckets], sa.Text())
        lookout = self._lookout
        if lookout is None:
            statement = sa.select(self._slot(keys, buckets, priority))
            return self._granted(statement)
        one = sa.select(sa.literal(1).label("row")).subquery("one")
        may_ask = ~sa.func.coalesce(lookout.is_away, sa.false()) | sa.literal(lookout.is_probing)
        # Without keys the function takes nothing.
        slot = self._slot(sa.case((may_ask, keys), else_=_array([], sa.Text())), buckets, priority).lateral("slot")
        seen = one.outerjoin(source_outages, lookout.is_here).join(slot, sa.true())
        asked = sa.select(*slot.c, may_ask.label("may_ask"), source_outages.c.failures).select_from(seen)
        row = self._granted(asked)
        lookout.saw(failures=row.failures)
        if not row.may_ask:
            lookout.take_probe()
            return self._taken(buckets, priority)
        return row

    def _granted(self, statement: sa.Select[Any]) -> sa.Row[Any]:
        row: sa.Row[Any] = self._database.transaction(lambda c: c.execute(statement).one(), is_one_statement=True)
        return row

    def _slot(self, keys: sa.ColumnElement[Any], buckets: Sequence[Bucket], priority: Priority) -> sa.TableValuedAlias:
        function = getattr(sa.func, self._database.schema).reserve_request(
            keys,
            _array([bucket.limit for bucket in buckets], sa.Integer()),
            _array([bucket.window for bucket in buckets], sa.Interval()),
            _array([margin(bucket) for bucket in buckets], sa.Interval()),
            sa.cast(priority.value, sa.Text()),
        )
        slot: sa.TableValuedAlias = function.table_valued(*_SLOT, name="slot")
        return slot

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
