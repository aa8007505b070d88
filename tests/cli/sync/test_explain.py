"""`sync --explain`: each request and its reason, for a person and for a script."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.support.processes import read_terminal
from tests.support.terminal import start_on_terminal

from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

LINE = re.compile(r"\d\d:\d\d:\d\d (?P<status>[ \d]{3}|  -) +\d+\.\d\d s  (?P<request>(GET|POST) /\S+) +- (?P<why>.+)")
KEYS = {"granted_at", "method", "path", "params", "status", "seconds", "waited", "attempt", "why", "step"}


def test_explain_prints_each_request_with_its_reason(sync_env: Build, program: Program) -> None:
    """Also in a pipe; then the sums by reason, and the usual report."""
    env = sync_env()
    done = program(env, "sync", "70001", "--explain")
    assert done.returncode == 0
    told = [found for line in done.stdout.splitlines() if (found := LINE.fullmatch(line))]
    assert len(told) == env.sandbox.calls.total()
    assert told[0]["request"] == "GET /listings?limit=50&includeResources=1&offset=0"
    assert told[0]["why"] == "listings: everything, for the first time"
    assert {found["status"] for found in told} == {"200"}
    assert len({found.start("why") for found in told[-5:]}) == 1
    rest = done.stdout.splitlines()[len(told) :]
    assert rest[0].split() == ["calls", "seconds", "waited", "why"]
    assert any(line.split()[0] == "1" and line.rstrip().endswith(told[0]["why"]) for line in rest)
    assert f"{len(told)} API calls" in rest[-1]


def test_json_has_the_requests_only_with_explain(sync_env: Build, program: Program) -> None:
    """As many as `api_calls` says, failed ones included."""
    env = sync_env()
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=1)
    document = json.loads(program(env, "sync", "70001", "--explain", "--json").stdout)
    calls = document["calls"]
    assert len(calls) == document["api_calls"] == env.sandbox.calls.total()
    assert all(call.keys() == KEYS and call["why"] for call in calls)
    assert [(call["status"], call["step"]) for call in calls if call["path"] == "/reservations"][:2] == [
        (502, ""),
        (200, "attempt 2 after 502"),
    ]
    assert "calls" not in json.loads(program(env, "sync", "70001", "--json").stdout)


def test_explain_works_with_a_dry_run(sync_env: Build, program: Program) -> None:
    """It shows what a run would cost, and writes no row."""
    env = sync_env()
    done = program(env, "sync", "70001", "--explain", "--dry-run")
    assert done.returncode == 0
    assert "messages: this thread would be due now" in done.stdout
    assert env.rows("reservations") == {}


def test_explain_shows_no_token(sync_env: Build, program: Program) -> None:
    """A request for a new token is explained; the fixture looks for secrets in all output."""
    env = sync_env()
    env.sandbox.revoke_tokens()
    done = program(env, "sync", "70001", "--explain")
    assert done.returncode == 0
    assert "POST /accessTokens " in done.stdout
    assert "token: it was refused, and is renewed once" in done.stdout
    assert "(with a renewed token)" in done.stdout


def test_run_that_cannot_begin_explains_no_requests(sync_env: Build, program: Program) -> None:
    """The document has the same key, empty."""
    env = sync_env()
    leases.acquire_lease(env.database, 70001, process_names.name_this_process())
    done = program(env, "sync", "70001", "--explain", "--json")
    assert done.returncode == 75
    assert json.loads(done.stdout)["calls"] == []


def test_explain_draws_no_progress_bars(sync_env: Build) -> None:
    """On a terminal, every line is whole."""
    env = sync_env(reservations=20)
    environment = env.environment() | {"TERM": "xterm", "COLUMNS": "120"}
    process, main = start_on_terminal(environment, "sync", "70001", "--explain")
    shown = read_terminal(main)
    assert process.wait(timeout=30) == 0
    told = [line for line in shown.splitlines() if LINE.fullmatch(line)]
    assert len(told) == env.sandbox.calls.total()
    assert "left" not in shown
