"""The request budget: one row a bucket, shared by all processes and machines that use this database."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.api_calls import Bucket, Grant, Priority
from hostaway_sync.store.circuit_breaker import IS_AWAY, IS_THIS_SOURCE
from hostaway_sync.store.postgres.clock_watch import ClockWatch
from hostaway_sync.store.tables import request_budget, source_outages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.circuit_breaker import StoredCircuitBreaker
    from hostaway_sync.store.postgres.database import Database

# Kept free after each window, because requests take different times to reach the source: a message to a guest is
# written to the ledger first. Two per cent leave 98 % of the limit usable.
_MARGIN_SHARE = 0.02
# A lower limit holds for a minute, and six times as long each time that it is met again soon after: one odd answer
# must not slow all requests for a day.
_LOWERED_FIRST = timedelta(minutes=1)
_LOWERED_LONGEST = timedelta(days=1)
_LOWERED_GROWTH = 6.0
# Requests that were granted before the clock was put forward may leave up to a window later.
_WINDOWS_AFTER_A_STEP = 2
_SLOT: tuple[sa.ColumnClause[Any], ...] = (
    sa.column("granted_at", sa.DateTime(timezone=True)),
    sa.column("wait", sa.Interval()),
)


log = logging.getLogger(__name__)


def safety_margin(bucket: Bucket) -> timedelta:
    """Return the time that is kept free after each window of a bucket."""
    return bucket.window * _MARGIN_SHARE


class DatabaseBudget:
    """The `Budget` in PostgreSQL. Every grant is committed before it is used, even if the caller's work fails later.

    Args:
        database: that all clients share.
        circuit_breaker: while it is open, no slot is granted; None: slots are always granted.
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
        """Reserve the earliest slot that all `buckets` have free, which may be before a slot granted for later.

        Raises:
            StoreUnavailable: the database did not come back within a minute.
            SourceAway: the source is away, and another request probes it.
        """
        row = self._reserve_unless_clock_jumped(buckets, priority)
        while row is None:
            row = self._reserve_unless_clock_jumped(buckets, priority)
        slack = min(safety_margin(bucket) for bucket in buckets) / 2
        return Grant(granted_at=row.granted_at, wait=max(row.wait, timedelta()), slack=slack)

    def _reserve_unless_clock_jumped(self, buckets: Sequence[Bucket], priority: Priority) -> sa.Row[Any] | None:
        """Reserve a slot; None where the database's clock was put forward: earlier grants then seem too old."""
        asked_at = self._clock.seconds()
        row = self._reserve_slot(buckets, priority)
        step = self._clock.step(row.granted_at - row.wait, asked_at=asked_at)
        if not step:
            return row
        pause = max(bucket.window + safety_margin(bucket) for bucket in buckets) * _WINDOWS_AFTER_A_STEP
        log.warning("the database's clock was put forward by %s: requests wait for %s", step, pause)
        self.penalize(buckets, retry_in=pause, limit=None)
        return None

    def _reserve_slot(self, buckets: Sequence[Bucket], priority: Priority) -> sa.Row[Any]:
        """Reserve a slot unless the same statement finds that the source is away."""
        asked = {
            "keys": [bucket.key for bucket in buckets],
            "limits": [bucket.limit for bucket in buckets],
            "windows": [bucket.window for bucket in buckets],
            "margins": [safety_margin(bucket) for bucket in buckets],
            "priority": priority.value,
        }
        circuit_breaker = self._circuit_breaker
        if circuit_breaker is None:
            return self._run(_reservation(self._database.schema), asked)
        asked |= {"is_probing": circuit_breaker.is_probing, **circuit_breaker.key}
        row = self._run(_guarded_reservation(self._database.schema), asked)
        circuit_breaker.remember_failures(row.failures)
        if not row.may_ask:
            circuit_breaker.acquire_probe()
            return self._reserve_slot(buckets, priority)
        return row

    def _run(self, statement: sa.Select[Any], asked: dict[str, Any]) -> sa.Row[Any]:
        row: sa.Row[Any] = self._database.transaction(
            lambda c: c.execute(statement, asked).one(), is_one_statement=True
        )
        return row

    def penalize(self, buckets: Sequence[Bucket], *, retry_in: timedelta, limit: int | None) -> None:
        """Grant nothing in `buckets` for `retry_in`; a `limit` below a bucket's own holds from a minute to a day."""
        pause = sa.func.clock_timestamp() + retry_in

        def write(connection: sa.Connection) -> None:
            for bucket in sorted(buckets, key=lambda bucket: bucket.key):
                statement = insert(request_budget).values(key=bucket.key, not_before=pause)
                later = sa.func.greatest(request_budget.c.not_before, statement.excluded.not_before)
                connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"not_before": later}))
                if limit is not None and 0 < limit < bucket.limit:
                    connection.execute(_lower_limit(bucket.key, limit))

        self._database.transaction(write)


def _lower_limit(key: str, limit: int) -> sa.Update:
    """Return the update that lowers a limit: for longer if one held within the last day, unchanged while one holds."""
    known, now = request_budget.c, sa.func.clock_timestamp()
    holds = known.lowered_until > now
    longer = sa.func.least(sa.func.interval_mul(known.lowered_for, _LOWERED_GROWTH), _LOWERED_LONGEST)
    lowered_for = sa.case((known.lowered_until > now - _LOWERED_LONGEST, longer), else_=_LOWERED_FIRST)
    # Requests that were under way at the same time are refused together, which counts as one refusal.
    values = {
        "lowered_to": sa.case((holds, sa.func.least(known.lowered_to, limit)), else_=limit),
        "lowered_for": sa.case((holds, known.lowered_for), else_=lowered_for),
        "lowered_until": sa.case((holds, known.lowered_until), else_=now + lowered_for),
    }
    return sa.update(request_budget).where(known.key == key).values(values)


# Built once, with parameters in place of values: each request runs one, and it takes longer to build than to run.
@cache
def _reservation(schema: str) -> sa.Select[Any]:
    """Return the statement that reserves a slot in buckets."""
    return sa.select(_slot(schema, _array("keys", sa.Text())))


@cache
def _guarded_reservation(schema: str) -> sa.Select[Any]:
    """Return the statement that reserves a slot in buckets, unless the source is away."""
    one = sa.select(sa.literal(1).label("row")).subquery("one")
    may_ask = ~sa.func.coalesce(IS_AWAY, sa.false()) | sa.bindparam("is_probing", type_=sa.Boolean)
    # Without keys the function reserves nothing.
    none = sa.cast(sa.literal([], sa.ARRAY(sa.Text)), sa.ARRAY(sa.Text))
    slot = _slot(schema, sa.case((may_ask, _array("keys", sa.Text())), else_=none)).lateral("slot")
    seen = one.outerjoin(source_outages, IS_THIS_SOURCE).join(slot, sa.true())
    return sa.select(*slot.c, may_ask.label("may_ask"), source_outages.c.failures).select_from(seen)


def _slot(schema: str, keys: sa.ColumnElement[Any]) -> sa.TableValuedAlias:
    function = getattr(sa.func, schema).reserve_request(
        keys,
        _array("limits", sa.Integer()),
        _array("windows", sa.Interval()),
        _array("margins", sa.Interval()),
        sa.cast(sa.bindparam("priority", type_=sa.Text), sa.Text()),
    )
    slot: sa.TableValuedAlias = function.table_valued(*_SLOT, name="slot")
    return slot


def _array(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Cast[Sequence[Any]]:
    return sa.cast(sa.bindparam(name, type_=sa.ARRAY(kind)), sa.ARRAY(kind))
