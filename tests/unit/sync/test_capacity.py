from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.model.calendar.facts import CalendarFigures, CalendarTerms
from hostaway_sync.model.capacity import (
    CalendarNeed,
    ForecastTerms,
    count_list_calls,
    count_runs_per_day,
    count_threads_per_sweep,
    estimate_need,
    forecast_capacity,
    sum_load,
)
from hostaway_sync.model.kinds.costs import count_reading_calls, estimate_kind_need
from hostaway_sync.model.kinds.facts import KindFacts
from hostaway_sync.model.kinds.kind import Kind, Scope
from hostaway_sync.model.records import Resource
from hostaway_sync.model.status import AccountFacts, AnnouncementCounts, RecentRuns, RowCounts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TERMS = ForecastTerms(
    run_interval=HOUR,
    page_sizes={Resource.LISTINGS: 50, Resource.RESERVATIONS: 500, Resource.CONVERSATIONS: 100, Resource.MESSAGES: 500},
    address_rate=20.0,
    account_rate=20.0,
    sweep_after=timedelta(hours=20),
    threads_after=timedelta(days=30),
)


def account(listings: int, reservations: int, conversations: int, *, recent: RecentRuns | None = None) -> AccountFacts:
    """Return an account after a whole sync, with so many rows."""
    sizes = (listings, reservations, conversations)
    rows = {resource: RowCounts(size) for resource, size in zip(Resource, sizes, strict=False) if size}
    return AccountFacts(
        7, None, is_active=True, created_at=NOON, last_sync_at=NOON, rows=rows, recent=recent or RecentRuns()
    )


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ((0, 0, 0), 3),  # an empty list takes a request, too
        ((50, 500, 100), 3),
        ((51, 500, 100), 4),
        ((50, 501, 101), 1 + 2 + 2 + 2),  # a walk by cursor of several pages: an empty page and a look back
        ((12, 787, 757), 1 + 2 + 2 + 8),
    ],
)
def test_lists_cost_their_pages(sizes: tuple[int, int, int], calls: int) -> None:
    """One request a page, at least one a list, and two more where the end of the reservations must be proven."""
    assert count_list_calls(account(*sizes), TERMS) == calls


def test_missing_rows_cost_no_page() -> None:
    """The source does not list them any more."""
    facts = replace(account(50, 500, 100), rows={Resource.LISTINGS: RowCounts(total=60, missing=10)})
    assert count_list_calls(facts, TERMS) == 3


def test_first_sync_costs_all_lists_and_each_thread() -> None:
    """At the budget's speed, of which two per cent stay free."""
    known = estimate_need(account(12, 787, 757), TERMS)
    assert known is not None
    assert known.first_sync_calls == 13 + 757
    assert known.first_sync_minutes == pytest.approx(770 / (20 * 0.975) / 60)


def test_slower_of_budget_and_measurement_decides() -> None:
    """Half a second a request is slower than twenty a second; a hundredth of a second is not."""
    slow = estimate_need(account(1, 1, 100, recent=RecentRuns(seconds_per_call=0.5)), TERMS)
    fast = estimate_need(account(1, 1, 100, recent=RecentRuns(seconds_per_call=0.01)), TERMS)
    assert slow is not None
    assert fast is not None
    assert slow.first_sync_minutes == pytest.approx(103 * 0.5 / 60)
    assert fast.first_sync_minutes == pytest.approx(103 / (20 * 0.975) / 60)


def test_lower_of_both_limits_decides() -> None:
    """An account may have less than its address, and an address less than its accounts."""
    for terms in (replace(TERMS, account_rate=2.0), replace(TERMS, address_rate=2.0)):
        known = estimate_need(account(1, 1, 1), terms)
        assert known is not None
        assert known.first_sync_minutes == pytest.approx(4 / (2 * 0.975) / 60)


@pytest.mark.parametrize(
    ("every", "sweep_after", "runs", "sweeps"),
    [
        (HOUR, 20 * HOUR, 22.8, 1.2),
        (24 * HOUR, 20 * HOUR, 0.0, 1.0),
        (HOUR / 4, 20 * HOUR, 94.8, 1.2),
        (7 * HOUR, 20 * HOUR, 24 / 7 * 2 / 3, 24 / 21),
        (HOUR, timedelta(), 0.0, 24.0),
    ],
)
def test_first_run_after_a_sweep_became_due_is_one(
    every: timedelta, sweep_after: timedelta, runs: float, sweeps: float
) -> None:
    """A sweep takes the place of an incremental run."""
    terms = replace(TERMS, run_interval=every, sweep_after=sweep_after)
    assert count_runs_per_day(terms) == pytest.approx((runs, sweeps))


def test_sweep_reads_its_share_of_the_threads() -> None:
    """Thirty days, at most a third more often; all of them where there are fewer days than between two sweeps."""
    daily = replace(TERMS, run_interval=24 * HOUR)
    assert count_threads_per_sweep(900, daily) == 40
    assert count_threads_per_sweep(0, daily) == 0
    assert count_threads_per_sweep(900, replace(daily, threads_after=timedelta())) == 900
    assert count_threads_per_sweep(900, replace(daily, threads_after=timedelta(days=1.1))) == 900


def test_recorded_runs_outweigh_assumptions() -> None:
    """The mean of measured runs; three requests where there is none."""
    recorded = estimate_need(account(1, 1, 1, recent=RecentRuns(incremental_calls=7.5)), TERMS)
    assumed = estimate_need(account(1, 1, 1), TERMS)
    assert recorded is not None
    assert assumed is not None
    assert (recorded.run_calls, recorded.is_assumed) == (7.5, False)
    assert (assumed.run_calls, assumed.is_assumed) == (3.0, True)
    assert assumed.per_day == pytest.approx(22.8 * 3 + 1.2 * assumed.sweep_calls)


def test_account_never_synced_is_not_in_the_sums() -> None:
    """Neither is a disabled one."""
    unknown = replace(account(1, 1, 1), last_sync_at=None)
    disabled = replace(account(1, 1, 1), is_active=False)
    told = forecast_capacity([unknown, disabled, account(1, 1, 1)], TERMS)
    assert [known is None for _, known in told.needs] == [True, False]
    assert told.load.accounts == 1


def test_no_capacity_is_reported_without_a_synced_account() -> None:
    """There are no figures to compute it from."""
    nothing = sum_load([], TERMS)
    assert (nothing.accounts, nothing.per_day, nothing.accounts_that_fit, nothing.sweeps_minutes) == (0, 0, None, 0)
    assert nothing.share == 0


def test_address_fits_as_many_accounts_as_its_requests_allow() -> None:
    """A day's requests at 97.5 % of the limit, by the mean account."""
    known = estimate_need(account(12, 787, 757), TERMS)
    assert known is not None
    told = sum_load([known] * 3, TERMS)
    assert told.max_per_day == pytest.approx(20 * 0.975 * 86_400)
    assert told.accounts_that_fit == int(told.max_per_day / known.per_day)
    assert told.share == pytest.approx(3 * known.per_day / told.max_per_day)
    assert told.sweeps_minutes == pytest.approx(3 * known.sweep_calls / (20 * 0.975) / 60)


def test_busiest_hour_is_no_shorter_than_its_longest_sweep() -> None:
    """An account with a low limit takes its time even alone."""
    known = estimate_need(account(12, 787, 757), TERMS)
    assert known is not None
    assert sum_load([known], replace(TERMS, account_rate=1.0)).sweeps_minutes == pytest.approx(
        known.sweep_calls / 0.975 / 60
    )


@given(
    st.tuples(*[st.integers(0, 10**7)] * 3),
    st.integers(1, 24 * 60),
    st.floats(0, 24 * 365),
    st.floats(0, 365),
)
def test_sweep_never_costs_more_than_a_first_sync(
    sizes: tuple[int, int, int], every: int, sweep_hours: float, days: float
) -> None:
    """With any settings; runs and sweeps of a day add up to all its runs."""
    terms = replace(
        TERMS,
        run_interval=timedelta(minutes=every),
        sweep_after=timedelta(hours=sweep_hours),
        threads_after=timedelta(days=days),
    )
    known = estimate_need(account(*sizes), terms)
    assert known is not None
    assert 3 <= known.sweep_calls <= known.first_sync_calls
    assert known.runs_per_day + known.sweeps_per_day == pytest.approx(24 * 60 / every)


def test_more_frequent_sweeps_read_a_smaller_share() -> None:
    """1.2 sweeps a day are 20 hours apart, so that each reads 900 * 20/720 * 4/3 threads, rounded up."""
    assert count_threads_per_sweep(900, TERMS) == 34


FEES = Kind("listing_fee_settings", Scope.LISTING, every=timedelta(days=7))
DAILY = replace(TERMS, calendars=CalendarTerms(365, 20 * HOUR))


def test_calendars_of_a_usual_account_cost_150_calls_a_day() -> None:
    """Fifty listings, 5,000 reservations of which sixty change."""
    facts, figures = account(50, 5000, 4000), CalendarFigures(0, 60.0)
    without, need = estimate_need(facts, TERMS), estimate_need(facts, DAILY, figures)
    assert without is not None
    assert need is not None
    assert need.calendar == CalendarNeed(60.0, 60.0)
    assert need.calendar.per_day <= 150
    assert need.per_day == pytest.approx(without.per_day + 120)
    assert need.first_sync_calls == without.first_sync_calls + 50
    assert (without.calendar, without.calendar_per_day) == (None, 0.0)


@pytest.mark.parametrize(
    ("period", "interval", "in_turn"),
    [
        (20, 1, 40 * 1.2 + 10 / 7),
        (0, 1, 40 * 24 + 10 / 7),  # in every run
        (20, 24, 40 + 10 / 7),  # no more often than there are runs
        (24 * 14, 1, 50 / 14),  # archived listings are read no more often than others
    ],
)
def test_listings_are_read_once_a_period_and_archived_ones_weekly(period: int, interval: int, in_turn: float) -> None:
    """No listing is read twice in a run."""
    terms = replace(TERMS, run_interval=interval * HOUR, calendars=CalendarTerms(365, period * HOUR))
    need = estimate_need(account(50, 1, 1), terms, CalendarFigures(10))
    assert need is not None
    assert need.calendar is not None
    assert need.calendar.in_turn_per_day == pytest.approx(in_turn)


@pytest.mark.parametrize(
    ("kind", "facts", "calls"),
    [
        (Kind("tasks"), {}, 1),
        (Kind("tasks"), {"live": 501}, 2),
        (Kind("custom_fields", requests=3), {"live": 12}, 3),
        (FEES, {"lists": 50, "live": 90}, 50),
        (FEES, {"lists": 2, "live": 1001}, 4),
        (FEES, {"lists": 50, "refused": 1}, 3),
        (FEES, {"lists": 2, "refused": 1}, 2),
        (FEES, {"lists": 50, "refused": 1, "last_read_at": NOON}, 50),
        (Kind("tasks"), {"refused": 1}, 1),
    ],
)
def test_lists_of_a_kind_need_a_request_a_page(kind: Kind, facts: dict[str, Any], calls: int) -> None:
    """One at least, and few where the account's plan lacks the kind."""
    assert count_reading_calls(KindFacts(kind, **facts), 500) == calls


def test_kinds_cost_a_day_what_their_periods_allow() -> None:
    """What is refused is asked for weekly; no list is read twice in a run; what is off costs nothing."""
    kinds = (
        KindFacts(Kind("tasks", every=20 * HOUR), live=600),
        KindFacts(Kind("reviews", every=20 * HOUR), refused=1),
        KindFacts(FEES, lists=70),
        KindFacts(Kind("coupons"), is_on=False, live=4),
    )
    need = estimate_kind_need(kinds, HOUR, 500)
    assert need is not None
    assert need.first_sync_calls == 2 + 1 + 70
    assert need.by_kind == {"tasks": pytest.approx(2.4), "reviews": pytest.approx(1 / 7), FEES.name: 10.0}
    seldom = estimate_kind_need(kinds, 48 * HOUR, 500)
    assert seldom is not None
    assert seldom.by_kind["tasks"] == 1.0
    assert estimate_kind_need(kinds[3:], HOUR, 500) is None


def test_kinds_are_part_of_all_sums() -> None:
    """Of the first sync, of an account's day and of the address's."""
    without = account(50, 5000, 4000)
    facts = replace(without, kinds=(KindFacts(Kind("tasks", every=24 * HOUR)), KindFacts(FEES, lists=70)))
    plain, need = estimate_need(without, TERMS), estimate_need(facts, TERMS)
    assert plain is not None
    assert need is not None
    assert (plain.kinds, plain.kinds_per_day, need.kinds_per_day) == (None, 0.0, 11.0)
    assert need.per_day == pytest.approx(plain.per_day + 11)
    assert need.first_sync_calls == plain.first_sync_calls + 71
    load = forecast_capacity([facts], TERMS).load
    assert (load.kinds_per_day, load.per_day) == (11.0, need.per_day)


def test_changed_stays_come_from_the_webhook_or_the_runs() -> None:
    """From the webhook where there is one; without a day of figures they are not counted."""
    facts = account(50, 1, 1)
    announced = replace(facts, announcements=AnnouncementCounts(2, 5))
    known = [
        estimate_need(one, DAILY, CalendarFigures(0, rate))
        for one, rate in ((facts, 3.5), (announced, 3.5), (facts, None))
    ]
    assert [need.calendar.marks_per_day for need in known if need and need.calendar] == [3.5, 7.0, None]
    told = forecast_capacity([facts], DAILY, {7: CalendarFigures(0, 3.0)})
    ((_, need),) = told.needs
    assert need is not None
    assert (told.load.calendar_per_day, told.load.per_day) == (63.0, need.per_day)
