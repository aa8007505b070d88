from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from tests.support import sql

from hostaway_sync.errors import ConfigurationError, LeaseLost
from hostaway_sync.model.records import Mode, Resource, RunReport, RunState
from hostaway_sync.sandbox import AccountSpec, Effect
from hostaway_sync.sandbox.server import faults
from hostaway_sync.sync.fleet import sync_fleet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request

    Build = Callable[..., SyncEnv]

MESSAGES = "GET /conversations/{id}/messages"


def thread_of(env: SyncEnv) -> int:
    """Return a conversation in the middle of the list."""
    threads = sorted(env.truth("conversations"))
    return threads[len(threads) // 2]


@pytest.mark.parametrize(
    "effect", [faults.status(400, b"{}"), faults.bad_gateway(), faults.null_result()], ids=["400", "502", "null"]
)
def test_one_broken_conversation_stops_no_other(sync_env: Build, effect: Effect) -> None:
    """All other threads are read, the run is partial and says so, and the broken one stays due."""
    env = sync_env(reservations=40)
    broken = thread_of(env)
    env.sandbox.faults.add(effect, path=f"/conversations/{broken}/messages", times=None)
    report = env.mirror(retry_attempts=2).sync.run(env.account_id)
    assert report.state is RunState.PARTIAL
    assert "1 conversations could not be read" in (report.error or "")
    lost = {row_id for row_id, row in env.truth("messages").items() if row["conversationId"] == broken}
    assert env.differences() == ({Resource.MESSAGES: lost} if lost else {})
    assert sql.rows(env.database, "SELECT id FROM conversations WHERE thread_due_at IS NOT NULL") == [(broken,)]


def test_failing_inbox_ends_the_run_soon(sync_env: Build) -> None:
    """Five failures in a row are no single broken conversation: the other threads are not requested."""
    env = sync_env(reservations=25)
    env.sandbox.faults.add(faults.bad_gateway(), route=MESSAGES, times=None)
    report = env.mirror(retry_attempts=1, requests_in_flight=2).sync.run(env.account_id)
    assert report.resources[Resource.MESSAGES].state is RunState.FAILED
    assert env.sandbox.calls[MESSAGES] < 15


def test_counts_match_the_table_when_a_thread_fails(sync_env: Build) -> None:
    """Rows of other threads are counted before the run is closed."""
    env = sync_env(reservations=25)
    env.sandbox.faults.add(faults.bad_gateway(), route=MESSAGES, skip=20, times=None)
    report = env.mirror(retry_attempts=1, requests_in_flight=8).sync.run(env.account_id)
    assert report.resources[Resource.MESSAGES].counts.inserted == len(env.rows("messages"))


def test_second_attempt_keeps_the_counts_of_the_first(sync_env: Build) -> None:
    """A run of two attempts counts each record once, by its strongest change, in one row a resource."""
    env = sync_env(reservations=30)
    env.sandbox.faults.add(faults.bad_gateway(), path=f"/conversations/{thread_of(env)}/messages", times=None)
    (outcome,) = env.mirror(retry_attempts=1).sync.run_all()
    assert outcome.report is not None
    assert outcome.report.resources[Resource.RESERVATIONS].counts.inserted == 30
    assert sql.rows(env.database, "SELECT inserted FROM sync_run_resources WHERE resource = 'reservations'") == [(30,)]


def test_overtaken_run_leaves_the_notes_of_its_successor(sync_env: Build) -> None:
    """A paused run that continues after another took over ends by itself, and changes no count of it."""
    env = sync_env(reservations=30)
    paused, go_on = threading.Event(), threading.Event()
    lost: list[LeaseLost] = []

    def pause_the_first(request: Request) -> None:
        if request.route == "GET /conversations" and not paused.is_set():
            paused.set()
            go_on.wait(30)

    def overtaken() -> None:
        try:
            env.mirror().sync.run(env.account_id)
        except LeaseLost as error:
            lost.append(error)

    env.sandbox.on_request(pause_the_first)
    first = threading.Thread(target=overtaken)
    first.start()
    assert paused.wait(30)
    sql.execute(env.database, "UPDATE leases SET expires_at = now() - interval '1 second'")

    def wake_the_first(request: Request) -> None:
        if request.route == MESSAGES and not go_on.is_set():
            go_on.set()
            first.join(30)

    env.sandbox.on_request(wake_the_first)
    report = env.mirror().sync.run(env.account_id)
    assert lost
    assert report.state is RunState.SUCCESS
    counted = sql.rows(env.database, "SELECT sum(seen) FROM sync_run_resources WHERE resource = 'messages'")
    assert counted == [(len(env.truth("messages")),)]


def test_stamp_from_the_future_freezes_no_row(sync_env: Build) -> None:
    """An impossible stamp is left out, so that later changes still count as newer."""
    env = sync_env(reservations=5, conversations=False)
    world = env.sandbox.world
    world.append_raw("reservations", b'{"id": 999001, "status": "new", "updatedOn": "9999-12-31 00:00:00"}')
    mirror = env.mirror()
    mirror.sync.run(env.account_id)
    wrong, right = b'"new", "updatedOn": "9999-12-31', b'"cancelled", "updatedOn": "2026-11-21'
    corrected = faults.rewrite(lambda body: body.replace(wrong, right))
    env.sandbox.faults.add(corrected, route="GET /reservations", times=None)
    mirror.sync.run(env.account_id, full=True)
    assert sql.rows(env.database, "SELECT status FROM reservations WHERE id = 999001") == [("cancelled",)]


def test_sync_of_one_resource_keeps_last_sync_at(sync_env: Build) -> None:
    """`--resource listings` is no sync of the account."""
    env = sync_env()
    env.mirror().sync.run(env.account_id, resources=(Resource.LISTINGS,))
    assert sql.rows(env.database, "SELECT last_sync_at FROM accounts") == [(None,)]


def test_permanent_error_is_not_retried(sync_env: Build) -> None:
    """An account without inbox rights is read once, not twice, by every sync-all."""
    env = sync_env(accounts=[AccountSpec(reservations=20, inbox="closed")])
    (outcome,) = env.mirror().sync.run_all()
    assert outcome.state is RunState.PARTIAL
    assert env.sandbox.calls["GET /reservations"] <= 2
    assert sql.rows(env.database, "SELECT state, retry_count FROM sync_runs") == [("partial", 0)]


def test_wrong_key_ring_ends_the_fleet_with_one_error() -> None:
    """Not with one error an account."""

    def attempt(account_id: int) -> RunReport:
        raise ConfigurationError(f"no key for {account_id}")

    with pytest.raises(ConfigurationError):
        sync_fleet([1, 2], attempt)


def test_unexpected_error_in_one_account_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """The log has its traceback, and the other accounts are synced."""

    def attempt(account_id: int) -> RunReport:
        if account_id == 1:
            raise ZeroDivisionError
        return RunReport(account_id, Mode.FULL, RunState.SUCCESS, 0, 0.0, {})

    outcomes = sync_fleet([1, 2], attempt)
    assert [outcome.state for outcome in outcomes] == [RunState.FAILED, RunState.SUCCESS]
    assert "ZeroDivisionError" in caplog.text


def test_broken_conversation_causes_no_full_runs(sync_env: Build) -> None:
    """Its thread stays due and is requested again; the lists are not."""
    env = sync_env(reservations=20)
    env.sandbox.faults.add(faults.bad_gateway(), path=f"/conversations/{thread_of(env)}/messages", times=None)
    mirror = env.mirror(retry_attempts=1)
    mirror.sync.run(env.account_id)
    report = mirror.sync.run(env.account_id)
    assert (report.mode, report.state, report.api_calls) == (Mode.INCREMENTAL, RunState.PARTIAL, 3)
