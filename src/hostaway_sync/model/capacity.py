"""How many requests the accounts will need, and how many accounts fit one address: arithmetic, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hostaway_sync.model.status import AccountFacts

_DAY = timedelta(days=1)
# A window is followed by a margin of two per cent, so that the limit is never passed.
USABLE = 0.975
# Incremental runs of an account that has none on record: one request a list, and one to spare.
ASSUMED_RUN_CALLS = 3.0
# Threads come up again from three quarters of their days on, so that not all do on one day: the most it can be.
_MOST_OFTEN = 4 / 3
# A list of several pages that is walked by cursor ends with an empty page, and its top is looked at once more.
_END_OF_WALK = 2


@dataclass(frozen=True, slots=True)
class ForecastTerms:
    """What a forecast rests on, from the settings.

    Attributes:
        run_interval: time between two runs of an account.
        page_sizes: rows a page of each list.
        address_rate: requests a second that all accounts together may make.
        account_rate: requests a second that one account may make.
        sweep_after: a run reads everything when the last one that did began so long ago.
        threads_after: such a run reads threads that were not read whole for so long.
    """

    run_interval: timedelta
    page_sizes: Mapping[Resource, int]
    address_rate: float
    account_rate: float
    sweep_after: timedelta
    threads_after: timedelta

    @property
    def rate(self) -> float:
        """Requests a second of one account that works alone."""
        return min(self.address_rate, self.account_rate) * USABLE


@dataclass(frozen=True, slots=True)
class RequestNeed:
    """What one account needs, in requests.

    Attributes:
        first_sync_calls: to read all of it for the first time, `first_sync_minutes` long.
        sweep_calls: to read all lists again, and the threads whose time has come.
        run_calls: one incremental run; `is_assumed` when none is on record.
        runs_a_day: incremental runs; fewer than one a day where nearly every run is a sweep.
        sweeps_per_day: runs that read all lists.
    """

    first_sync_calls: int
    first_sync_minutes: float
    sweep_calls: int
    run_calls: float
    is_assumed: bool
    runs_per_day: float
    sweeps_per_day: float

    @property
    def per_day(self) -> float:
        """Requests a day."""
        return self.run_calls * self.runs_per_day + self.sweep_calls * self.sweeps_per_day


@dataclass(frozen=True, slots=True)
class AddressLoad:
    """What all accounts need of the address they share.

    Attributes:
        accounts: how many are in the sums; those never synced whole are not.
        per_day: requests a day.
        max_per_day: requests a day that the address may make.
        accounts_that_fit: accounts like these, in the mean, that the address can serve; None when none is known.
        sweeps_minutes: how long all sweeps take when they fall on one hour.
    """

    accounts: int
    per_day: float
    max_per_day: float
    accounts_that_fit: int | None
    sweeps_minutes: float

    @property
    def share(self) -> float:
        """How much of the address's requests is used, 1 being all."""
        return self.per_day / self.max_per_day


@dataclass(frozen=True, slots=True)
class Forecast:
    """What each active account needs (None: never synced whole, so that nobody knows), and all of them together."""

    needs: tuple[tuple[AccountFacts, RequestNeed | None], ...]
    load: AddressLoad


def forecast_capacity(accounts: Iterable[AccountFacts], terms: ForecastTerms) -> Forecast:
    """Say what the active ones among the accounts need."""
    needs = tuple((facts, estimate_need(facts, terms)) for facts in accounts if facts.is_active)
    return Forecast(needs, sum_load([known for _, known in needs if known is not None], terms))


def estimate_need(facts: AccountFacts, terms: ForecastTerms) -> RequestNeed | None:
    """Say what an account needs; None when it was never synced whole, so that nobody knows how large it is."""
    if facts.last_sync_at is None:
        return None
    threads = facts.live(Resource.CONVERSATIONS)
    lists = count_list_calls(facts, terms)
    first_sync = lists + threads
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
    )


def sum_load(known: Sequence[RequestNeed], terms: ForecastTerms) -> AddressLoad:
    """Add up what the accounts need, and say how many like them would fit."""
    a_day = sum(need.per_day for need in known)
    at_most = terms.address_rate * USABLE * _DAY.total_seconds()
    fitting = int(at_most * len(known) / a_day) if a_day else None
    together = sum(need.sweep_calls for need in known) / (terms.address_rate * USABLE)
    alone = max((need.sweep_calls for need in known), default=0) / terms.rate
    return AddressLoad(len(known), a_day, at_most, fitting, max(together, alone) / 60)


def count_list_calls(facts: AccountFacts, terms: ForecastTerms) -> int:
    """Give the requests that read all lists once."""
    pages = {
        resource: max(1, ceil(facts.live(resource) / terms.page_sizes[resource]))
        for resource in (Resource.LISTINGS, Resource.RESERVATIONS, Resource.CONVERSATIONS)
    }
    return sum(pages.values()) + (_END_OF_WALK if pages[Resource.RESERVATIONS] > 1 else 0)


def count_threads_per_sweep(threads: int, terms: ForecastTerms) -> int:
    """Give how many of the threads a sweep reads because they were not read whole for long."""
    _, sweeps = count_runs_per_day(terms)
    between = _DAY / sweeps
    if terms.threads_after <= between:
        return threads
    return min(threads, ceil(threads * (between / terms.threads_after) * _MOST_OFTEN))


def count_runs_per_day(terms: ForecastTerms) -> tuple[float, float]:
    """Give the incremental runs of a day, and the sweeps: the first run after a sweep has become due is one."""
    runs_a_sweep = max(1, ceil(terms.sweep_after / terms.run_interval))
    runs = _DAY / terms.run_interval
    sweeps = runs / runs_a_sweep
    return runs - sweeps, sweeps
