from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hostaway_sync.model.records import Mark, Mode, Resource
from hostaway_sync.model.run_history import PlanFacts
from hostaway_sync.sync import plan
from hostaway_sync.sync.account_order import order_shortest_first

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def outlook(number: int, swept: timedelta | None, full: int | None = None, later: int | None = None) -> PlanFacts:
    """Return an account that was swept so long ago, with the requests of its last runs."""
    marks = {} if swept is None else {resource: Mark(None, NOON - swept) for resource in Resource}
    calls = {mode: n for mode, n in ((Mode.FULL, full), (Mode.INCREMENTAL, later)) if n is not None}
    return PlanFacts(number, marks, calls)


ACCOUNTS = [
    outlook(1, None),
    outlook(2, DAY, full=900, later=3),
    outlook(3, HOUR, full=20, later=40),
    outlook(4, HOUR, full=5000, later=3),
    outlook(5, DAY, full=30),
    outlook(6, HOUR, full=10),
    outlook(7, HOUR, full=10, later=3),
]


@pytest.mark.parametrize(
    ("full", "expected"), [(False, [6, 4, 7, 3, 5, 2, 1]), (True, [6, 7, 3, 5, 2, 4, 1])], ids=["as due", "full"]
)
def test_short_runs_come_first_and_first_syncs_last(*, full: bool, expected: list[int]) -> None:
    """Incremental runs before sweeps, each by the requests of the last such run; then by id."""
    assert order_shortest_first(ACCOUNTS, NOON, full=full, sweep_after=20 * HOUR) == expected


def test_incremental_run_without_a_record_comes_first() -> None:
    """It counts as the shortest."""
    accounts = [outlook(1, HOUR, later=1), outlook(2, HOUR)]
    assert order_shortest_first(accounts, NOON, full=False, sweep_after=20 * HOUR) == [2, 1]


@pytest.mark.parametrize(
    ("synced", "swept", "full", "is_done"),
    [
        (None, HOUR, False, False),
        (NOON - HOUR, HOUR, False, False),
        (NOON, HOUR, False, True),
        (NOON + HOUR, HOUR, False, True),
        (NOON + HOUR, HOUR, True, False),
        (NOON + HOUR, -HOUR, True, True),
    ],
)
def test_account_is_done_after_a_whole_run_since(
    *, synced: datetime | None, swept: timedelta, full: bool, is_done: bool
) -> None:
    """That run began then or later; with --full it must have read everything."""
    assert plan.is_done(outlook(1, swept).marks, synced, NOON, full=full) is is_done


def test_sweep_must_end_later_to_count() -> None:
    """Only such a sweep holds all changes until then; each list must have had one."""
    for swept_at, is_done in ((NOON, False), (NOON + timedelta(microseconds=1), True)):
        marks = {resource: Mark(None, swept_at) for resource in Resource}
        assert plan.is_done(marks, NOON, NOON, full=True) is is_done
    del marks[Resource.LISTINGS]
    assert not plan.is_done(marks, NOON, NOON, full=True)
