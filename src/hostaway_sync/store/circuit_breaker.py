"""The circuit breaker of a source, shared by all processes whose requests leave from the same address.

There is a row only while requests fail. `DatabaseBudget` reads it in the statement that reserves a slot. So it costs
nothing while the source answers; only failures, and the first answer after them, take a transaction of their own.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.errors import SourceAway
from hostaway_sync.model import circuit_breaker as decisions
from hostaway_sync.model.circuit_breaker import Outage
from hostaway_sync.model.timestamps import MAX_CLOCK_SKEW
from hostaway_sync.store.tables import source_outages
from hostaway_sync.store.time_marks import is_known

if TYPE_CHECKING:
    from datetime import datetime

    from hostaway_sync.store.postgres.database import Database

# In the order of the fields of `Outage`.
_COLUMNS: Final[tuple[sa.ColumnElement[Any], ...]] = (
    source_outages.c.failures,
    source_outages.c.failing_since,
    source_outages.c.failed_at,
    source_outages.c.error,
    source_outages.c.away_since,
    source_outages.c.probe_at,
    source_outages.c.probes,
)

# These conditions are built once: with the slot of each request it takes longer to build them than to run them.
# The row is of one source and one address: `StoredCircuitBreaker.key` holds the parameters.
IS_THIS_SOURCE: Final = sa.and_(
    source_outages.c.egress == sa.bindparam("of_egress", type_=sa.Text),
    source_outages.c.api_url == sa.bindparam("of_api_url", type_=sa.Text),
)
# The row says that the source is away; the same rule as `decisions.discard_future_outage`.
IS_AWAY: Final = sa.and_(
    is_known(source_outages.c.failing_since),
    is_known(source_outages.c.failed_at),
    is_known(source_outages.c.away_since),
    sa.or_(
        source_outages.c.probe_at.is_(None),
        source_outages.c.probe_at <= sa.func.now() + decisions.MAX_PROBE_DELAY + MAX_CLOCK_SKEW,
    ),
)


class StoredCircuitBreaker:
    """The circuit breaker as one client uses it; safe to use from several threads.

    Args:
        database: that all clients share.
        egress: name of the address that requests leave from.
        api_url: address of the source.
        force_probe: let the first request leave although the source is away, because a person waits.
    """

    def __init__(self, database: Database, *, egress: str, api_url: str, force_probe: bool = False) -> None:
        self._database = database
        self._key = {"egress": egress, "api_url": api_url}
        self._force_probe = force_probe
        self._is_failing = False
        self._probe = threading.local()

    @property
    def key(self) -> dict[str, str]:
        """The parameters of `IS_THIS_SOURCE`."""
        return {f"of_{name}": value for name, value in self._key.items()}

    @property
    def is_probing(self) -> bool:
        """Whether this thread may send the one request that probes a source that is away."""
        return time.monotonic() < getattr(self._probe, "until", 0.0)

    def remember_failures(self, failures: int | None) -> None:
        """Remember the failures that were read with a slot; None: none. Only after failures is an answer recorded."""
        self._is_failing = failures is not None

    def acquire_probe(self) -> None:
        """Acquire the right to probe a source that is away.

        Raises:
            SourceAway: another process has the right, or the next probe is not due yet.
        """
        force_probe, self._force_probe = self._force_probe, False

        def acquire(connection: sa.Connection) -> Outage | None:
            found, now = self._lock_outage(connection)
            if found is None or found.away_since is None:
                return None
            if not decisions.may_probe(found, now, force_probe=force_probe):
                return found
            self._write(connection, decisions.start_probe(found, now))
            return None

        if (found := self._database.transaction(acquire)) is not None:
            raise SourceAway(describe_outage(found))
        self._probe.until = time.monotonic() + decisions.PROBE_TIMEOUT.total_seconds()

    def record_answer(self) -> None:
        """Record that the source answered, with any status that is not its own failure."""
        self._probe.until = 0.0
        if self._is_failing:
            self._is_failing = False
            statement = sa.delete(source_outages).where(IS_THIS_SOURCE)
            self._database.transaction(lambda connection: connection.execute(statement, self.key))

    def record_failure(self, error: str) -> None:
        """Record that a request had no answer, or one that says that the source failed."""
        was_probe, self._probe.until = self.is_probing, 0.0

        def write(connection: sa.Connection) -> None:
            found, now = self._lock_outage(connection)
            self._write(connection, decisions.record_failure(found, now, error, was_probe=was_probe))

        self._database.transaction(write)

    def _lock_outage(self, connection: sa.Connection) -> tuple[Outage | None, datetime]:
        """Return the outage under a row lock, None where there is none, and the time of the database's clock."""
        query = sa.select(*_COLUMNS).where(IS_THIS_SOURCE).with_for_update()
        row = connection.execute(query, self.key).one_or_none()
        now = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        return (decisions.discard_future_outage(_outage(row), now) if row else None), now

    def _write(self, connection: sa.Connection, outage: Outage) -> None:
        values = {
            "failures": outage.failures,
            "failing_since": outage.failing_since,
            "failed_at": outage.failed_at,
            "error": outage.error,
            "away_since": outage.away_since,
            "probe_at": outage.probe_at,
            "probes": outage.probes,
        }
        statement = insert(source_outages).values(**self._key, **values)
        # Two first failures at the same time conflict here: only one of them is counted.
        connection.execute(statement.on_conflict_do_update(index_elements=list(self._key), set_=values))


def read_outage(database: Database, *, egress: str, api_url: str) -> Outage | None:
    """Return the outage of a source as seen from an address; None: the source is not away."""
    key = StoredCircuitBreaker(database, egress=egress, api_url=api_url).key
    query = sa.select(*_COLUMNS).where(IS_THIS_SOURCE, IS_AWAY)
    row = database.transaction(lambda connection: connection.execute(query, key).one_or_none())
    return _outage(row) if row else None


def describe_outage(outage: Outage) -> str:
    """Return the sentence that says that the source is away."""
    since = f"{outage.away_since:%Y-%m-%d %H:%M} UTC" if outage.away_since else "now"
    then = f"{outage.probe_at:%H:%M:%S} UTC" if outage.probe_at else "once"
    return f"the source has not answered since {since}, and is not asked again before {then}; last: {outage.error}"


def _outage(row: sa.Row[*tuple[Any, ...]]) -> Outage:
    return Outage(*row)
