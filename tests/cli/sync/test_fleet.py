from __future__ import annotations

import json
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.processes import read_terminal
from tests.support.programs.forked import start_beside
from tests.support.terminal import start_on_terminal

from hostaway_sync.sandbox import AccountSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Request

    Build = Callable[..., SyncEnv]

EIGHT = range(70001, 70009)


def start(env: SyncEnv, *arguments: str) -> subprocess.Popen[str]:
    """Start the program without waiting for it."""
    return start_beside(env.environment(), *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def small(numbers: range) -> list[AccountSpec]:
    """Return small accounts with these ids."""
    return [AccountSpec(id=number, reservations=5) for number in numbers]


class Crowd:
    """Holds requests back until this many accounts have sent one."""

    def __init__(self, env: SyncEnv, size: int) -> None:
        self.gathered = threading.Event()
        self.open = threading.Event()
        self._size = size
        self._accounts: set[int | None] = set()
        self._lock = threading.Lock()
        env.sandbox.on_request(self._hold)

    def _hold(self, request: Request) -> None:
        with self._lock:
            self._accounts.add(request.account_id)
            if len(self._accounts) >= self._size:
                self.gathered.set()
        self.open.wait(30)


def test_two_programs_share_the_accounts(sync_env: Build) -> None:
    """They start together: each account is mirrored once, by one of them, and both succeed."""
    env = sync_env(accounts=small(EIGHT))
    crowd = Crowd(env, 2)
    processes = [start(env, "sync-all", "--jobs", "1", "--json") for _ in range(2)]
    # Each works on its first account, so that both began before any account was done.
    assert crowd.gathered.wait(30)
    crowd.open.set()
    documents = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        documents.append(json.loads(out))
    assert [document["state"] for document in documents] == ["success", "success"]
    done = [account["account_id"] for d in documents for account in d["accounts"] if account["state"] == "success"]
    assert sorted(done) == list(EIGHT)
    counts = sql.rows(
        env.database, "SELECT account_id, count(*) FROM sync_runs WHERE state = 'success' GROUP BY 1 ORDER BY 1"
    )
    assert counts == [(number, 1) for number in EIGHT]
    assert all(env.differences(number) == {} for number in EIGHT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_all_running_accounts(sync_env: Build, program: Program, number: signal.Signals, code: int) -> None:
    """Every run has its state, every lease is free, no further account starts, and the next time all are whole."""
    env = sync_env(accounts=small(EIGHT))
    crowd = Crowd(env, 3)
    process = start(env, "sync-all", "--jobs", "3")
    assert crowd.gathered.wait(30)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    crowd.open.set()
    assert (process.returncode, out, err) == (code, "", "")
    assert sql.rows(env.database, "SELECT state, error FROM sync_runs") == [("failed", "stopped by a signal")] * 3
    assert sql.rows(env.database, "SELECT DISTINCT owner FROM leases") == [(None,)]
    assert program(env, "sync-all").returncode == 0
    assert all(env.differences(account_id) == {} for account_id in EIGHT)


def test_signal_ends_the_jitter_in_silence(sync_env: Build) -> None:
    """No run exists yet, so that none is marked."""
    env = sync_env()
    connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    before = sql.rows(env.database, connected)
    process = start(env, "sync-all", "--jitter", "3600")
    while sql.rows(env.database, connected) == before:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (143, "", "")
    assert sql.rows(env.database, "SELECT count(*) FROM sync_runs") == [(0,)]


@pytest.mark.parametrize("words", [(), ("--enqueue",), ("--dry-run",), ("--json",), ("--full", "--json")])
def test_fleet_without_accounts_is_a_configuration_error(
    sync_env: Build, program: Program, words: tuple[str, ...]
) -> None:
    """Most often the database is the wrong one: exit 78; with disabled accounts only, exit 0."""
    env = sync_env(store=False)
    done = program(env, "sync-all", *words)
    assert (done.returncode, done.stdout) == (78, "")
    assert "add one with `hostaway-sync account add ID`" in done.stderr
    env.store_account()
    sql.execute(env.database, "UPDATE accounts SET is_active = false")
    done = program(env, "sync-all", *words)
    assert (done.returncode, done.stderr) == (0, "")
    sql.execute(env.database, "UPDATE accounts SET removed_at = now()")
    assert program(env, "sync-all", *words).returncode == 78


@pytest.mark.parametrize("words", [("--jobs", "0"), ("--jobs", "33"), ("--jitter", "-1"), ("--jitter", "3601")])
def test_impossible_numbers_are_a_usage_error(sync_env: Build, program: Program, words: tuple[str, str]) -> None:
    """Exit 2, before anything is opened."""
    done = program(sync_env(store=False), "sync-all", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[0] in done.stderr


def test_terminal_shows_one_bar_an_account(sync_env: Build) -> None:
    """For running accounts, with the number of finished ones; the final table names all."""
    env = sync_env(accounts=[AccountSpec(id=number, reservations=40) for number in (70001, 70002)])
    environment = env.environment() | {"TERM": "xterm", "COLUMNS": "120"}
    process, main = start_on_terminal(environment, "sync-all", "--jobs", "2")
    shown = read_terminal(main)
    assert process.wait(timeout=30) == 0
    assert "accounts" in shown
    assert "70002" in shown
