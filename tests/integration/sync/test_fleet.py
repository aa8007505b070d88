"""Many accounts: several at once, their order, and several programs at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.client_env import client_env

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.api_calls import Priority
from hostaway_sync.model.records import Mode, RunReport, RunState
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.store.runs import leases
from hostaway_sync.store.runs.estimates import list_outlooks
from hostaway_sync.sync.fleet import sync_fleet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request

    Build = Callable[..., SyncEnv]

THREE = (70001, 70002, 70003)


def specs(*numbers: int) -> list[AccountSpec]:
    """Return specifications of small accounts with these ids."""
    return [AccountSpec(id=number, reservations=5) for number in numbers]


class Watcher:
    """Progress of a fleet that records which account ended."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int, int]] = []

    def advance(self, account_id: int, resource: object, done: int, total: int | None) -> None:
        """Ignore it."""

    def finish_account(self, account_id: int, done: int, total: int) -> None:
        """Record it."""
        self.heard.append((account_id, done, total))


def test_accounts_are_mirrored_at_the_same_time(sync_env: Build) -> None:
    """With three jobs three accounts run at once, and the outcomes are sorted by id."""
    env = sync_env(accounts=specs(*THREE))
    all_there = threading.Barrier(len(THREE))
    met: set[int | None] = set()

    def meet(request: Request) -> None:
        if request.account_id not in met:
            met.add(request.account_id)
            all_there.wait(30)

    env.sandbox.on_request(meet)
    watcher = Watcher()
    outcomes = env.mirror().sync.run_all(jobs=3, progress=watcher)
    assert [(outcome.account_id, outcome.state) for outcome in outcomes] == [
        (number, RunState.SUCCESS) for number in THREE
    ]
    assert sorted(number for number, _, _ in watcher.heard) == list(THREE)
    assert [(done, total) for _, done, total in watcher.heard] == [(1, 3), (2, 3), (3, 3)]
    assert all(env.differences(number) == {} for number in THREE)


def test_short_runs_come_first_and_first_syncs_last(sync_env: Build) -> None:
    """An account that was synced before does not wait for one that was not."""
    env = sync_env(accounts=specs(*THREE), store=False)
    env.store_account(70003)
    env.mirror().sync.run_all()
    env.store_account(70001)
    env.store_account(70002)
    order: list[int | None] = []
    env.sandbox.on_request(lambda request: order.append(request.account_id))
    env.mirror().sync.run_all(jobs=1)
    assert list(dict.fromkeys(order)) == [70003, 70001, 70002]


def test_estimate_is_the_last_whole_run_of_each_mode(sync_env: Build) -> None:
    """Rows and requests of active accounts, also of those never synced."""
    env = sync_env(accounts=specs(*THREE))
    mirror = env.mirror()
    full, later = mirror.sync.run(70001), mirror.sync.run(70001)
    sql.execute(env.database, "UPDATE accounts SET is_active = false WHERE account_id = 70003")
    (known, new), _ = list_outlooks(env.database)
    assert known.calls == {Mode.FULL: full.api_calls, Mode.INCREMENTAL: later.api_calls}
    assert all(mark.swept_at for mark in known.marks.values())
    assert (new.account_id, new.marks, new.calls) == (70002, {}, {})


def test_account_mirrored_meanwhile_is_skipped(sync_env: Build) -> None:
    """Another program mirrored it after sync-all began: the outcome says so, and no run is stored."""
    env = sync_env(accounts=specs(70001, 70002))
    other = env.mirror()

    def overtake(request: Request) -> None:
        if (
            request.account_id == 70001
            and sql.rows(env.database, "SELECT 1 FROM sync_runs WHERE account_id = 70002") == []
        ):
            other.sync.run(70002)

    env.sandbox.on_request(overtake)
    first, second = env.mirror().sync.run_all(jobs=1)
    assert first.state is RunState.SUCCESS
    assert (second.state, second.error, second.is_held) == (
        RunState.SKIPPED,
        "another run has mirrored it meanwhile",
        False,
    )
    assert sql.rows(env.database, "SELECT state FROM sync_runs WHERE account_id = 70002") == [("success",)]


@pytest.mark.parametrize(
    ("urgent", "expected"),
    [(False, [Priority.NORMAL, Priority.LOW]), (True, [Priority.URGENT, Priority.URGENT])],
)
def test_client_has_low_priority_unless_it_is_urgent(*, urgent: bool, expected: list[Priority]) -> None:
    """Requests that a person waits for come first, those of background work last."""
    with client_env(reservations=3) as env:
        client = env.client(urgent=urgent)
        client.check_credentials()
        before = len(env.budget.priorities)
        client.lower_priority()
        client.check_credentials()
        assert [env.budget.priorities[0], *env.budget.priorities[before:]] == expected


def test_full_runs_have_low_priority_and_incremental_ones_do_not(sync_env: Build) -> None:
    """A run that reads everything leaves no mark in the budget that it is in a hurry."""
    env = sync_env()
    pressed = "SELECT DISTINCT pressed_at IS NOT NULL FROM request_budget"
    env.mirrored()
    assert sql.rows(env.database, pressed) == [(False,)]
    env.mirror().sync.run(env.account_id)
    assert sql.rows(env.database, pressed) == [(True,)]


@pytest.mark.parametrize(("is_full", "state"), [(False, RunState.SUCCESS), (True, RunState.SKIPPED)])
def test_only_a_full_run_makes_a_full_run_needless(sync_env: Build, state: RunState, *, is_full: bool) -> None:
    """With `--full`, an account that another run updated is read again, unless that run read all of it."""
    env = sync_env(accounts=specs(70001, 70002))
    other = env.mirror()
    other.sync.run_all()
    overtaken: list[Request] = []

    def overtake(request: Request) -> None:
        if request.account_id == 70001 and not overtaken:
            overtaken.append(request)
            other.sync.run(70002, full=is_full)

    env.sandbox.on_request(overtake)
    _, second = env.mirror().sync.run_all(full=True, jobs=1)
    assert second.state is state


def test_run_of_one_resource_makes_no_run_needless(sync_env: Build) -> None:
    """Neither does a run that ended before sync-all began."""
    env = sync_env()
    env.mirrored()
    (outcome,) = env.mirror().sync.run_all()
    assert (outcome.state, outcome.report is not None) == (RunState.SUCCESS, True)


def test_account_with_a_running_run_is_held(sync_env: Build) -> None:
    """It is skipped, because the outcome of that run is not known yet."""
    env = sync_env()
    leases.acquire_lease(env.database, env.account_id, "elsewhere/x/1/1")
    (outcome,) = env.mirror().sync.run_all()
    assert (outcome.state, outcome.is_held) == (RunState.SKIPPED, True)


def test_wrong_settings_end_the_running_runs() -> None:
    """The first error that concerns all accounts ends the other runs, and no more begin."""
    told = threading.Event()
    tried: list[int] = []

    def attempt(account_id: int) -> RunReport:
        tried.append(account_id)
        if account_id == 1:
            raise ConfigurationError("no key")
        assert told.wait(30)
        return RunReport(account_id, Mode.FULL, RunState.SUCCESS, 0, 0.0, {})

    reasons: list[str] = []

    def stop(why: str) -> None:
        reasons.append(why)
        told.set()

    with pytest.raises(ConfigurationError, match="no key"):
        sync_fleet([2, 1, *range(3, 9)], attempt, jobs=2, stop=stop)
    assert reasons == ["no key"]
    assert len(tried) < 8


def test_jitter_waits_before_the_first_request(sync_env: Build) -> None:
    """The wait is a random part of the maximum; accounts that are mirrored meanwhile are skipped."""
    env = sync_env()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        assert sum(env.sandbox.calls.values()) == 0
        env.mirror().sync.run(env.account_id)

    (outcome,) = env.mirror().sync.run_all(jitter=timedelta(seconds=60), sleep=wait)
    assert outcome.state is RunState.SKIPPED
    assert len(waits) == 1
    assert 0 <= waits[0] <= 60
