from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from hostaway_sync.errors import SourceAway
from hostaway_sync.model.api_calls import Bucket
from hostaway_sync.model.circuit_breaker import FAILURES_TO_OPEN
from hostaway_sync.store.circuit_breaker import StoredCircuitBreaker
from hostaway_sync.store.request_budget import DatabaseBudget

if TYPE_CHECKING:
    from hostaway_sync.store.postgres.database import Database

BUCKETS = (Bucket("ip:here", 5, timedelta(seconds=10)),)


def circuit_breaker(database: Database, *, force_probe: bool = False) -> StoredCircuitBreaker:
    """Return the circuit breaker of one process."""
    return StoredCircuitBreaker(database, egress="here", api_url="http://127.0.0.1/v1", force_probe=force_probe)


def break_it(database: Database) -> None:
    """Make so many requests fail that the source counts as unreachable."""
    seen = circuit_breaker(database)
    for _ in range(FAILURES_TO_OPEN):
        seen.record_failure("it answered 503")


def reserve(database: Database, seen: StoredCircuitBreaker) -> None:
    """Ask for a slot."""
    DatabaseBudget(database, seen).reserve(BUCKETS)


def let_time_pass(database: Database) -> None:
    """Make the next probe due."""
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE hostaway.source_outages SET probe_at = now()"))


def slots(database: Database) -> int:
    """Return how many slots are taken."""
    query = sa.text("SELECT coalesce(sum(cardinality(slots)), 0) FROM hostaway.request_budget")
    return int(database.transaction(lambda connection: connection.execute(query)).scalar_one())


def taken(database: Database, seen: StoredCircuitBreaker) -> bool:
    """Whether a slot is granted."""
    try:
        reserve(database, seen)
    except SourceAway:
        return False
    return True


def test_unreachable_source_gets_one_probe_only(database: Database) -> None:
    """No request gets a slot during the outage; then one probe does, and its answer ends the outage."""
    break_it(database)
    first, second = circuit_breaker(database), circuit_breaker(database)
    with pytest.raises(SourceAway, match=r"has not answered since .* last: it answered 503"):
        reserve(database, first)
    assert slots(database) == 0
    let_time_pass(database)
    assert [taken(database, seen) for seen in (first, second, first)] == [True, False, True]
    first.record_failure("it answered 502")
    assert [taken(database, seen) for seen in (first, second)] == [False, False]
    let_time_pass(database)
    reserve(database, second)
    second.record_answer()
    assert [taken(database, seen) for seen in (first, second)] == [True, True]


def test_forced_probe_asks_once(database: Database) -> None:
    """A user at a terminal need not wait for the next probe; where it fails, no second one follows."""
    break_it(database)
    seen = circuit_breaker(database, force_probe=True)
    reserve(database, seen)
    seen.record_failure("it answered 503")
    assert not taken(database, seen)


def test_healthy_source_costs_no_extra_statement(database: Database) -> None:
    """Without failures, a request and its answer cost one statement, which takes the slot."""
    seen = circuit_breaker(database)
    reserve(database, seen)
    said: list[str] = []
    listen = partial(sa.event.listen, database.engine, "before_cursor_execute")
    listen(lambda *arguments: said.append(arguments[2]))
    reserve(database, seen)
    seen.record_answer()
    assert len(said) == 1
    assert "reserve_request" in said[0]


def test_single_failures_are_forgotten(database: Database) -> None:
    """Any answer between the failures resets their count."""
    seen, other = circuit_breaker(database), circuit_breaker(database)
    for _ in range(FAILURES_TO_OPEN):
        seen.record_failure("it answered 503")
        reserve(database, other)
        other.record_answer()
    assert taken(database, seen)
