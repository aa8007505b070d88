"""The request budget: one row a bucket, shared by every process and machine that uses this database."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.api_calls import Bucket, Grant, Priority
from hostaway_sync.store.postgres.clock_watch import ClockWatch
from hostaway_sync.store.tables import request_budget, source_outages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.circuit_breaker import StoredCircuitBreaker
    from hostaway_sync.store.postgres.database import Database

# Kept free after each window for the way to the source, which differs from request to request; a message to a guest
# writes its intent to the disk on that way. Two per cent leave 98 % of the limit usable.
_MARGIN_SHARE = 0.02
# One odd answer must not slow everything for a day: a lower limit is believed for a minute, and each time that it is
# met again soon after, six times as long.
_LOWERED_FIRST = timedelta(minutes=1)
_LOWERED_LONGEST = timedelta(days=1)
_LOWERED_GROWTH = 6.0
# Of requests that were granted by a clock that was put forward since, the last may leave up to a window later.
_WINDOWS_AFTER_A_STEP = 2
_SLOT: tuple[sa.ColumnClause[Any], ...] = (
    sa.column("granted_at", sa.DateTime(timezone=True)),
    sa.column("wait", sa.Interval()),
)


log = logging.getLogger(__name__)


def safety_margin(bucket: Bucket) -> timedelta:
    """Give the time that is kept free after a bucket's window."""
    return bucket.window * _MARGIN_SHARE


class DatabaseBudget:
    """The `Budget` in PostgreSQL. Every grant is committed before it is used, whatever becomes of the caller's work.

    Args:
        database: that all who share the budget use.
        circuit_breaker: knows whether the source is away, and nothing is granted then; None: nobody looks.
        clock: notices that the database's clock was put forward; one for all budgets of a process.
    """

    def __init__(
        self,
        database: Database,
        circuit_breaker: StoredCircuitBreaker | None = None,
        *,
        clock: ClockWatch | None = None,
    ) -> None:
        self._database = database
        self._circuit_breaker = circuit_breaker
        self._clock = clock or ClockWatch()

    def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
        """Take the earliest slot of all `buckets` at once, perhaps before one that was granted for later.

        Raises:
            StoreUnavailable: the database did not come back within a minute.
            SourceAway: the source is away, and it is not our turn to look whether it is back.
        """
        row = self._noticed(buckets, priority)
        while row is None:
            row = self._noticed(buckets, priority)
        slack = min(safety_margin(bucket) for bucket in buckets) / 2
        return Grant(granted_at=row.granted_at, wait=max(row.wait, timedelta()), slack=slack)

    def _noticed(self, buckets: Sequence[Bucket], priority: Priority) -> sa.Row[Any] | None:
        """Take a slot; None where the clock was put forward, and with it what was granted seems older than it is."""
        asked_at = self._clock.seconds()
        row = self._taken(buckets, priority)
        step = self._clock.step(row.granted_at - row.wait, asked_at=asked_at)
        if not step:
            return row
        pause = max(bucket.window + safety_margin(bucket) for bucket in buckets) * _WINDOWS_AFTER_A_STEP
        log.warning("the database's clock was put forward by %s: requests wait for %s", step, pause)
        self.penalize(buckets, retry_in=pause, limit=None)
        return None

    def _taken(self, buckets: Sequence[Bucket], priority: Priority) -> sa.Row[Any]:
        """Take a slot, and see in the same statement whether the source is away: then none is taken."""
        keys: sa.ColumnElement[Any] = _array([bucket.key for bucket in buckets], sa.Text())
        circuit_breaker = self._circuit_breaker
        if circuit_breaker is None:
            statement = sa.select(self._slot(keys, buckets, priority))
            return self._granted(statement)
        one = sa.select(sa.literal(1).label("row")).subquery("one")
        may_ask = ~sa.func.coalesce(circuit_breaker.is_away, sa.false()) | sa.literal(circuit_breaker.is_probing)
        # Without keys the function takes nothing.
        slot = self._slot(sa.case((may_ask, keys), else_=_array([], sa.Text())), buckets, priority).lateral("slot")
        seen = one.outerjoin(source_outages, circuit_breaker.is_this_source).join(slot, sa.true())
        asked = sa.select(*slot.c, may_ask.label("may_ask"), source_outages.c.failures).select_from(seen)
        row = self._granted(asked)
        circuit_breaker.remember_failures(row.failures)
        if not row.may_ask:
            circuit_breaker.acquire_probe()
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
            _array([safety_margin(bucket) for bucket in buckets], sa.Interval()),
            sa.cast(priority.value, sa.Text()),
        )
        slot: sa.TableValuedAlias = function.table_valued(*_SLOT, name="slot")
        return slot

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Keep silent in `buckets` for `retry_in`; a `limit` below a bucket's own holds from a minute to a day."""
        pause = sa.func.clock_timestamp() + retry_in

        def write(connection: sa.Connection) -> None:
            for bucket in sorted(buckets, key=lambda bucket: bucket.key):
                statement = insert(request_budget).values(key=bucket.key, not_before=pause)
                later = sa.func.greatest(request_budget.c.not_before, statement.excluded.not_before)
                connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"not_before": later}))
                if limit is not None and 0 < limit < bucket.limit:
                    connection.execute(_lowered(bucket.key, limit))

        self._database.transaction(write)


def _lowered(key: str, limit: int) -> sa.Update:
    """Have a lower limit hold; for longer when one held until a moment ago, as long as before when one holds still."""
    known, now = request_budget.c, sa.func.clock_timestamp()
    holds = known.lowered_until > now
    longer = sa.func.least(sa.func.interval_mul(known.lowered_for, _LOWERED_GROWTH), _LOWERED_LONGEST)
    lowered_for = sa.case((known.lowered_until > now - _LOWERED_LONGEST, longer), else_=_LOWERED_FIRST)
    # Requests that were under way together are refused together: that is one refusal.
    values = {
        "lowered_to": sa.case((holds, sa.func.least(known.lowered_to, limit)), else_=limit),
        "lowered_for": sa.case((holds, known.lowered_for), else_=lowered_for),
        "lowered_until": sa.case((holds, known.lowered_until), else_=now + lowered_for),
    }
    return sa.update(request_budget).where(known.key == key).values(values)


def _array(values: Sequence[object], kind: sa.types.TypeEngine[Any]) -> sa.Cast[Sequence[Any]]:
    return sa.cast(sa.literal(list(values), sa.ARRAY(kind)), sa.ARRAY(kind))
