"""The order of requests that wait for one budget; time passes by moving the budget's rows back."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.examples import examples
from tests.support.store.request_budget import ACCOUNT, ADDRESS, SECOND, fullest_window, reserve_many

from hostaway_sync.model.api_calls import Bucket, Priority
from hostaway_sync.store.request_budget import DatabaseBudget, safety_margin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.store.postgres.database import Database

URGENT, USUAL, PATIENT = Priority.URGENT, Priority.NORMAL, Priority.LOW
BLINK = timedelta(microseconds=1)
# An hour is longer than any test takes: only `pass_time` makes time pass.
HOUR = timedelta(hours=1)


def pass_time(database: Database, time: timedelta) -> None:
    """Make every time in the budget's rows so much older."""
    seconds = time.total_seconds()
    sql.execute(
        database,
        f"UPDATE request_budget SET asked_at = asked_at - make_interval(secs => {seconds}),"
        f" pressed_at = pressed_at - make_interval(secs => {seconds}),"
        f" slots = ARRAY(SELECT slot - make_interval(secs => {seconds}) FROM unnest(slots) AS slot ORDER BY slot)",
    )


def earliest(held: Sequence[datetime], bucket: Bucket, now: datetime) -> datetime:
    """Return the first moment from `now` on that no window of the bucket's full limit forbids, by trying them all."""
    span = bucket.window + safety_margin(bucket)
    candidates = sorted({now, *(slot + span for slot in held if slot + span > now)})
    for moment in candidates:
        slots = sorted([*held, moment])
        full = [later - first < span for first, later in zip(slots, slots[bucket.limit :], strict=False)]
        around = bisect_left(slots, moment)
        if not any(is_full and first <= around <= first + bucket.limit for first, is_full in enumerate(full)):
            return moment
    raise AssertionError("after the last slot there is always room")


STEPS = st.lists(
    st.tuples(st.sampled_from(Priority), st.integers(1, 9), st.sampled_from([0, 0, 0, 60, 900, 3300, 3700])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, limits=st.tuples(st.integers(1, 25), st.integers(1, 25)))
def test_urgent_requests_never_wait_and_no_window_overflows(
    database: Database, steps: list[tuple[Priority, int, int]], limits: tuple[int, int]
) -> None:
    """In any order of requests no window exceeds its limit, and the urgent get the first free moment."""
    budget = DatabaseBudget(database)
    sql.execute(database, "TRUNCATE request_budget")
    wide, narrow = Bucket("ip:here", limits[0], HOUR), Bucket("account:1", limits[1], HOUR / 4)
    granted: list[datetime] = []
    for priority, number, seconds in steps:
        pass_time(database, timedelta(seconds=seconds))
        granted = [moment - timedelta(seconds=seconds) for moment in granted]
        for _ in range(number):
            grant = budget.reserve([wide, narrow], priority=priority)
            asked_at = grant.granted_at - grant.wait
            if priority is URGENT:
                expected = asked_at
                for bucket in (wide, narrow, wide, narrow) * len(granted):
                    expected = earliest(granted, bucket, expected)
                assert abs(grant.granted_at - expected) <= BLINK
            granted.append(grant.granted_at)
    assert fullest_window(granted, wide) <= wide.limit
    assert fullest_window(granted, narrow) <= narrow.limit


@pytest.mark.parametrize("priority", [USUAL, PATIENT])
def test_urgent_requests_pass_waiting_ones(database: Database, priority: Priority) -> None:
    """While a thousand requests wait for a minute, an urgent one in each window leaves at once."""
    reserve_many(database, 1000, ADDRESS, ACCOUNT, priority=priority)
    urgent = reserve_many(database, 2, ADDRESS, ACCOUNT, threads=1, priority=URGENT)
    now = sql.row(database, "SELECT clock_timestamp() AS at").at
    assert urgent[0] <= now
    assert max(urgent) <= now + ADDRESS.window + safety_margin(ADDRESS)
    slots = sql.row(database, "SELECT slots FROM request_budget WHERE key = 'ip:here'").slots
    assert slots == sorted(slots)
    assert fullest_window(slots, ADDRESS) <= 200


@pytest.mark.parametrize("priority", Priority)
def test_requests_of_one_priority_are_served_in_order(database: Database, priority: Priority) -> None:
    """A later request is never granted an earlier moment."""
    granted = reserve_many(database, 300, ADDRESS, ACCOUNT, threads=1, priority=priority)
    assert granted == sorted(granted)


def test_account_at_its_limit_delays_no_other_account(database: Database) -> None:
    """Slots that one account's own limit moved into the future leave the address free until then."""
    narrow = Bucket("account:2", 5, 10 * SECOND)
    reserve_many(database, 20, ADDRESS, narrow)
    assert DatabaseBudget(database).reserve([ADDRESS, ACCOUNT]).wait == timedelta()


def test_low_priority_requests_use_all_slots_evenly(database: Database) -> None:
    """Half a window at once, the rest in small parts: a later request soon gets a slot, and few are lost."""
    granted = sorted(reserve_many(database, 1000, ADDRESS, ACCOUNT, priority=PATIENT))
    gaps = [later - earlier for earlier, later in pairwise(granted[199:])]
    assert min(gaps) > 0.04 * SECOND
    assert max(gaps) < 1.5 * SECOND
    whole = granted[-1] - granted[0]
    assert len(granted) / (whole / ADDRESS.window * ADDRESS.limit) > 0.96


def test_low_priority_requests_yield_while_others_ask(database: Database) -> None:
    """They get three quarters of a window in which others ask, and all of it otherwise."""
    usual = reserve_many(database, 10, ADDRESS, ACCOUNT)
    patient = reserve_many(database, 190, ADDRESS, ACCOUNT, priority=PATIENT)
    assert fullest_window(usual + patient, ADDRESS) <= 149
    assert max(reserve_many(database, 40, ADDRESS, ACCOUNT)) <= sql.row(database, "SELECT clock_timestamp() AS at").at
    pass_time(database, 60 * SECOND)
    later = reserve_many(database, 400, ADDRESS, ACCOUNT, priority=PATIENT)
    assert fullest_window(later, ADDRESS) == 199


def test_small_limit_reserves_nothing_for_urgent_requests(database: Database) -> None:
    """Below twenty requests a window."""
    small = Bucket("account:1", 15, 10 * SECOND)
    assert fullest_window(reserve_many(database, 60, small), small) == 15
