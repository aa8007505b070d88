from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import deliver, eventually
from tests.support.programs.forked import start_beside
from tests.support.programs.program import SECRETS, Program

from hostaway_sync.cli.process.monitoring import exported
from hostaway_sync.model.records import Resource
from hostaway_sync.observability.prometheus import TEXTFILE_NAME
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store import dead_letters

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sync_env import SyncEnv

Build = Callable[..., "SyncEnv"]
ASKED = 'hostaway_sync_api_requests_total{method="GET",route="/reservations/{id}",status="200"}'


def start(env: SyncEnv, *arguments: str) -> subprocess.Popen[str]:
    """Start the program."""
    return start_beside(env.environment(), *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def is_processed(env: SyncEnv) -> bool:
    """Whether every delivery is processed."""
    return sql.rows(env.database, "SELECT DISTINCT status FROM webhook_log") == [("processed",)]


def test_drain_works_due_jobs_off_in_silence(sync_env: Build, program: Program) -> None:
    """Deliveries and queued syncs are done, and the command ends with 0."""
    env = sync_env()
    deliver(env.database, env.account_id, Resource.LISTINGS, min(env.truth("listings")))
    assert program(env, "sync-all", "--enqueue").stdout == ""
    done = program(env, "worker", "--drain")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert is_processed(env)
    assert env.differences() == {}


def test_enqueue_reports_the_accounts(sync_env: Build, program: Program) -> None:
    """--json prints the ids; a second call adds no job, and a full sync stays full."""
    env = sync_env(accounts=[AccountSpec(reservations=2), AccountSpec(id=70002, reservations=2)])
    for options in ((), ("--full",), ()):
        done = program(env, "sync-all", "--enqueue", "--json", *options)
        assert json.loads(done.stdout) == {"enqueued": [70001, 70002]}
    rows = sql.rows(env.database, "SELECT queueing_lock, args->'full' FROM procrastinate_jobs ORDER BY 1")
    assert rows == [("sync:70001", True), ("sync:70002", True)]
    for words in (("--dry-run",), ("--jobs", "4")):
        assert program(None, "sync-all", "--enqueue", *words).returncode == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_worker_runs_until_a_signal(sync_env: Build, number: signal.Signals, code: int) -> None:
    """It does each new job, and ends silently at the signal, with no job unfinished."""
    env = sync_env()
    process = start(env, "worker")
    deliver(env.database, env.account_id, Resource.LISTINGS, min(env.truth("listings")))
    eventually(lambda: is_processed(env), "it works")
    process.send_signal(number)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed, said) == (code, "", "")
    assert sql.rows(env.database, "SELECT count(*) FROM procrastinate_jobs") == [(0,)]
    assert sql.rows(env.database, "SELECT count(*) FROM procrastinate_workers") == [(0,)]


def test_signal_during_a_job_returns_it_to_the_queue(sync_env: Build, program: Program) -> None:
    """The worker does not wait for an endless request: it ends within ten seconds, and the next one does the job."""
    env = sync_env()
    listing = min(env.truth("listings"))
    asked, gate = threading.Event(), threading.Event()
    env.sandbox.on_request(lambda _: asked.set())
    env.sandbox.faults.add(faults.silence(gate))
    deliver(env.database, env.account_id, Resource.LISTINGS, listing)
    started = start(env, "worker")
    assert asked.wait(60)
    started.send_signal(signal.SIGTERM)
    printed, said = started.communicate(timeout=60)
    gate.set()
    assert (started.returncode, printed, said) == (143, "", "")
    assert program(env, "worker", "--drain").returncode == 0
    assert is_processed(env)
    assert sql.rows(env.database, "SELECT count(*) FROM job_attempts") == [(0,)]


def test_dead_letter_is_listed_shown_retried_and_resolved(sync_env: Build, program: Program) -> None:
    """No output has a secret; after the retry the work is done, and only --all lists it."""
    env = sync_env()
    listing = min(env.truth("listings"))
    env.sandbox.faults.add(faults.status(400), route="GET /listings/{id}", times=None)
    deliver(env.database, env.account_id, Resource.LISTINGS, listing)
    assert program(env, "worker", "--drain").returncode == 0
    (listed,) = json.loads(program(env, "dead-letters", "list", "--json", "--account", str(env.account_id)).stdout)
    number = str(listed["dead_letter_id"])
    assert (listed["kind"], listed["target_id"], listed["resolved_at"]) == ("delivery", listing, None)
    assert "listings" in program(env, "dead-letters", "list").stdout
    printed, _ = start(env, "dead-letters", "show", number, "--json").communicate(timeout=60)
    assert not any(secret in printed for secret in SECRETS)
    shown = json.loads(printed)
    assert shown["payload"]["data"] == {"id": listing}
    assert (len(shown["history"]), shown["traceback"][:9]) == (1, "Traceback")
    env.sandbox.faults.clear()
    assert json.loads(program(env, "dead-letters", "retry", number, "--json").stdout) == {"retried": [int(number)]}
    assert program(env, "worker", "--drain").returncode == 0
    assert is_processed(env)
    assert program(env, "dead-letters", "list").stdout == ""
    (resolved,) = json.loads(program(env, "dead-letters", "list", "--all", "--json").stdout)
    assert resolved["resolution"] == "retried"


def test_all_dead_letters_can_be_resolved_at_once(sync_env: Build, program: Program) -> None:
    """--all takes every open one, with --account those of one account; a wrong call changes nothing."""
    env = sync_env()
    for number in (1, 2):
        deliver(env.database, env.account_id, Resource.LISTINGS, number)
    sql.execute(env.database, "UPDATE accounts SET client_secret = 'x', access_token = NULL")
    sql.execute(env.database, "UPDATE procrastinate_jobs SET args = args || '{\"attempt\": 7}'")
    assert program(env, "worker", "--drain").returncode == 0
    assert len(dead_letters.list_dead_letters(env.database, account_id=None, resolved_too=False)) == 2
    for wrong, code in (((), 2), (("1", "--all"), 2), (("1", "--account", "9"), 2), (("99",), 1), (("x",), 2)):
        assert program(env, "dead-letters", "discard", *wrong).returncode == code
    assert json.loads(program(env, "dead-letters", "discard", "--all", "--account", "9", "--json").stdout) == {
        "discarded": []
    }
    assert len(json.loads(program(env, "dead-letters", "discard", "--all", "--json").stdout)["discarded"]) == 2
    assert dead_letters.list_dead_letters(env.database, account_id=None, resolved_too=False) == []


def test_concurrent_resolving_of_all_dead_letters_succeeds(sync_env: Build) -> None:
    """A dead letter that another process resolved is skipped, and not counted."""
    env = sync_env()
    sql.execute(
        env.database,
        "INSERT INTO dead_letters (attempt_id, kind, account_id, job, deliveries, payload, error, history)"
        " SELECT gen_random_uuid(), 'sync', 70001, 'sync:70001', 0,"
        " '{\"account_id\": 70001, \"attempt\": 1}', 'away', '[]' FROM generate_series(1, 3)",
    )
    with env.database.engine.begin() as other:
        other.execute(
            sa.text(
                "UPDATE hostaway.dead_letters SET resolved_at = now(), resolution = 'discarded'"
                " WHERE dead_letter_id = 2"
            )
        )
        process = start(env, "dead-letters", "retry", "--all", "--json")
        eventually(
            lambda: sql.rows(env.database, "SELECT 1 FROM pg_locks WHERE NOT granted"), "it waits for the other one"
        )
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert json.loads(printed) == {"retried": [1, 3]}


def test_dead_letter_is_shown_with_attempts_and_traceback(sync_env: Build, program: Program) -> None:
    """Every fact has its line, and no character of it moves the cursor."""
    env = sync_env()
    sql.execute(
        env.database,
        "INSERT INTO dead_letters (attempt_id, kind, account_id, job, deliveries, error, traceback, history)"
        " VALUES (gen_random_uuid(), 'sync', 70001, 'sync:70001', 0, E'red \\x1b[31m', E'Trace\\nback',"
        ' \'[{"number": 1, "started_at": "2026-11-22", "finished_at": "2026-11-22", "error": "away"}]\') RETURNING 1',
    )
    shown = program(env, "dead-letters", "show", "1").stdout
    assert "error: red [31m\n" in shown
    assert shown.endswith("attempt 1, 2026-11-22: away\nTrace\nback\n")
    assert not any(secret in shown for secret in SECRETS)


def test_worker_writes_its_metrics_at_the_end(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """The file counts the worker's own requests, and those of no other process."""
    env = sync_env()
    env.mirrored()
    deliver(env.database, env.account_id, object_id=min(env.truth("reservations")))
    words = ("worker", "--drain", "--metrics-textfile", str(tmp_path))
    for _ in range(2):
        done = program(env, *words)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert f"{ASKED} 1.0" in (tmp_path / TEXTFILE_NAME).read_text()


def test_worker_writes_metrics_while_it_runs(sync_env: Build, tmp_path: Path) -> None:
    """Without a directory in the settings it writes none."""
    mirror = sync_env().mirror()
    file = tmp_path / TEXTFILE_NAME
    with exported(mirror, tmp_path, every=0.01):
        for _ in range(2):
            eventually(file.exists, "it is written")
            file.unlink()
    assert file.exists()
    with exported(mirror, None, every=0.01):
        pass
