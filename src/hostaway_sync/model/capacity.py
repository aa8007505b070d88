"""Forecasts how many requests accounts need, and how many accounts one IP address can serve. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from hostaway_sync.model.calendar.facts import CALENDARS_OFF, NO_FIGURES
from hostaway_sync.model.kinds.costs import estimate_kind_need
from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hostaway_sync.model.calendar.facts import CalendarFigures, CalendarTerms
    from hostaway_sync.model.kinds.costs import KindNeed
    from hostaway_sync.model.status import AccountFacts

_DAY = timedelta(days=1)
# Each window of the budget has a margin of two per cent, so that no request exceeds the limit.
USABLE = 0.975
# Requests of an incremental run, for an account without any on record: one request a list, and one spare.
ASSUMED_RUN_CALLS = 3.0
# A thread may be read again after three quarters of its days, so that not all are due on one day.
_MOST_OFTEN = 4 / 3
# Calendars of archived listings are read once in this time.
ARCHIVED_PERIOD = timedelta(days=7)
# A cursor walk of several pages ends with an empty page, and then reads the first page again.
_END_OF_WALK = 2


@dataclass(frozen=True, slots=True)
class ForecastTerms:
    """The settings that a forecast depends on.

    Attributes:
        run_interval: time between two runs of an account.
        page_sizes: rows per page of each list.
        address_rate: requests per second that all accounts together may make.
        account_rate: requests per second that one account may make.
        sweep_after: age of the last sweep at which a run becomes a sweep.
        threads_after: age of the last complete reading at which a sweep reads a thread again.
        calendars: how calendars are mirrored.
        kind_page_size: rows per page of the lists of the other kinds.
    """

    run_interval: timedelta
    page_sizes: Mapping[Resource, int]
    address_rate: float
    account_rate: float
    sweep_after: timedelta
    threads_after: timedelta
    calendars: CalendarTerms = CALENDARS_OFF
    kind_page_size: int = 500

    @property
    def rate(self) -> float:
        """Requests per second of an account that has the address to itself."""
        return min(self.address_rate, self.account_rate) * USABLE


@dataclass(frozen=True, slots=True)
class CalendarNeed:
    """The requests a day for one account's calendars.

    Attributes:
        in_turn_per_day: requests for all days of each listing, in turns.
        marks_per_day: requests for days of changed stays, at most one a changed reservation; None: not on record yet.
    """

    in_turn_per_day: float
    marks_per_day: float | None = None

    @property
    def per_day(self) -> float:
        """Both; without the marks where nothing is on record of them."""
        return self.in_turn_per_day + (self.marks_per_day or 0.0)


@dataclass(frozen=True, slots=True)
class RequestNeed:
    """The requests that one account needs.

    Attributes:
        first_sync_calls: requests of the first sync.
        first_sync_minutes: duration of the first sync.
        sweep_calls: requests of a sweep: all lists, and the threads that are due again.
        run_calls: requests of an incremental run.
        is_assumed: `run_calls` is an assumption, because no incremental run is on record.
        runs_per_day: incremental runs a day; below one if nearly every run is a sweep.
        sweeps_per_day: sweeps a day.
        calendar: requests for calendars, which no other figure but those of the first sync and of a day holds; None:
            calendars are not mirrored.
        kinds: requests for the other kinds, likewise; None: none is mirrored.
    """

    first_sync_calls: int
    first_sync_minutes: float
    sweep_calls: int
    run_calls: float
    is_assumed: bool
    runs_per_day: float
    sweeps_per_day: float
    calendar: CalendarNeed | None = None
    kinds: KindNeed | None = None

    @property
    def per_day(self) -> float:
        """Requests per day."""
        lists = self.run_calls * self.runs_per_day + self.sweep_calls * self.sweeps_per_day
        return lists + self.calendar_per_day + self.kinds_per_day

    @property
    def calendar_per_day(self) -> float:
        """Requests per day for calendars."""
        return self.calendar.per_day if self.calendar else 0.0

    @property
    def kinds_per_day(self) -> float:
        """Requests per day for the other kinds."""
        return self.kinds.per_day if self.kinds else 0.0


@dataclass(frozen=True, slots=True)
class AddressLoad:
    """The requests that all accounts together need of their common IP address.

    Attributes:
        accounts: number of accounts in the sums; accounts without a complete sync are left out.
        per_day: requests per day.
        max_per_day: requests per day that the address may make.
        accounts_that_fit: average accounts that the address can serve; None if `accounts` is 0.
        sweeps_minutes: duration of all sweeps if they start in the same hour.
        calendar_per_day: those of `per_day` that are for calendars.
        kinds_per_day: those of `per_day` that are for the other kinds.
    """

    accounts: int
    per_day: float
    max_per_day: float
    accounts_that_fit: int | None
    sweeps_minutes: float
    calendar_per_day: float = 0.0
    kinds_per_day: float = 0.0

    @property
    def share(self) -> float:
        """The used share of the requests that the address may make; 1 is all."""
        return self.per_day / self.max_per_day


@dataclass(frozen=True, slots=True)
class Forecast:
    """The need of each active account, and the load of all; the need is None without a complete sync."""

    needs: tuple[tuple[AccountFacts, RequestNeed | None], ...]
    load: AddressLoad


def forecast_capacity(
    accounts: Iterable[AccountFacts], terms: ForecastTerms, figures: Mapping[int, CalendarFigures] | None = None
) -> Forecast:
    """Return the needs of the active accounts, and their sum; `figures` are of their calendars, by account."""
    known = figures or {}
    needs = tuple(
        (facts, estimate_need(facts, terms, known.get(facts.account_id, NO_FIGURES)))
        for facts in accounts
        if facts.is_active
    )
    return Forecast(needs, sum_load([known for _, known in needs if known is not None], terms))


def estimate_need(
    facts: AccountFacts, terms: ForecastTerms, figures: CalendarFigures = NO_FIGURES
) -> RequestNeed | None:
    """Return what an account needs, or None if it has no complete sync yet: its size is unknown then."""
    if facts.last_sync_at is None:
        return None
    threads = facts.live(Resource.CONVERSATIONS)
    lists = count_list_calls(facts, terms)
    calendar = estimate_calendar_need(facts, terms, figures) if terms.calendars.is_on_for(facts.account_id) else None
    kinds = estimate_kind_need(facts.kinds, terms.run_interval, terms.kind_page_size)
    first_sync = lists + threads + (facts.live(Resource.LISTINGS) if calendar else 0)
    first_sync += kinds.first_sync_calls if kinds else 0
    slowest = max(1 / terms.rate, facts.recent.seconds_per_call or 0.0)
    runs, sweeps = count_runs_per_day(terms)
    recorded = facts.recent.incremental_calls
    return RequestNeed(
        first_sync_calls=first_sync,
        first_sync_minutes=first_sync * slowest / 60,
        sweep_calls=lists + count_threads_per_sweep(threads, terms),
        run_calls=ASSUMED_RUN_CALLS if recorded is None else recorded,
        is_assumed=recorded is None,
        runs_per_day=runs,
        sweeps_per_day=sweeps,
        calendar=calendar,
        kinds=kinds,
    )


def estimate_calendar_need(facts: AccountFacts, terms: ForecastTerms, figures: CalendarFigures) -> CalendarNeed:
    """Return what the calendars of an account need: a listing is read once in a period, and not more than once a run.

    A reservation that changed costs one request at most for its days. Where a webhook announces changes, those of the
    last day are counted; elsewhere those that runs found.
    """
    archived = min(figures.archived, facts.live(Resource.LISTINGS))
    runs = _DAY / terms.run_interval
    period = max(terms.calendars.period, terms.run_interval)
    often, seldom = min(runs, _DAY / period), min(runs, _DAY / max(period, ARCHIVED_PERIOD))
    in_turn = (facts.live(Resource.LISTINGS) - archived) * often + archived * seldom
    if facts.announcements is not None:
        return CalendarNeed(in_turn, float(facts.announcements.unannounced + facts.announcements.announced))
    return CalendarNeed(in_turn, figures.changed_a_day)


def sum_load(known: Sequence[RequestNeed], terms: ForecastTerms) -> AddressLoad:
    """Return the sum of the needs, and how many such accounts the address can serve."""
    a_day = sum(need.per_day for need in known)
    at_most = terms.address_rate * USABLE * _DAY.total_seconds()
    fitting = int(at_most * len(known) / a_day) if a_day else None
    together = sum(need.sweep_calls for need in known) / (terms.address_rate * USABLE)
    alone = max((need.sweep_calls for need in known), default=0) / terms.rate
    calendars = sum(need.calendar_per_day for need in known)
    kinds = sum(need.kinds_per_day for need in known)
    return AddressLoad(len(known), a_day, at_most, fitting, max(together, alone) / 60, calendars, kinds)


def count_list_calls(facts: AccountFacts, terms: ForecastTerms) -> int:
    """Return the number of requests that read all lists once."""
    pages = {
        resource: max(1, ceil(facts.live(resource) / terms.page_sizes[resource]))
        for resource in (Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS)
    }
    return sum(pages.values()) + (_END_OF_WALK if pages[Resource.RESERVATIONS] > 1 else 0)


def count_threads_per_sweep(threads: int, terms: ForecastTerms) -> int:
    """Return how many of the threads a sweep reads again because their last complete reading is too old."""
    _, sweeps = count_runs_per_day(terms)
    between = _DAY / sweeps
    if terms.threads_after <= between:
        return threads
    return min(threads, ceil(threads * (between / terms.threads_after) * _MOST_OFTEN))


def count_runs_per_day(terms: ForecastTerms) -> tuple[float, float]:
    """Return the incremental runs and the sweeps of a day; the first run after a sweep is due is a sweep."""
    runs_a_sweep = max(1, ceil(terms.sweep_after / terms.run_interval))
    runs = _DAY / terms.run_interval
    sweeps = runs / runs_a_sweep
    return runs - sweeps, sweeps
