from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.support.deliveries import deliver
from tests.support.terminal import read_on_terminal

from hostaway_sync.model.records import Mode, RunState
from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases
from hostaway_sync.store.runs import states as run_states

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ACCOUNT_KEYS = {
    "account_id",
    "name",
    "is_active",
    "state",
    "wrong",
    "last_success_at",
    "verified_as_of",
    "rows",
    "calls",
    "running",
    "last_run",
    "certificate",
    "equal_at",
    "due",
    "messages",
    "deliveries",
    "silence",
    "suspected",
    "set_back",
    "quarantined",
    "abandoned_24_h",
}
ERROR = "reservations: the source answered 503 five times, and nobody knows why it should have done so"


def fail_a_run(env: SyncEnv, account_id: int = 70001) -> None:
    """Write a failed run into the history."""
    run_id = run_states.create_run(env.database, account_id, Mode.FULL, max_retries=0)
    run_states.start_run(env.database, run_id, account_id)
    run_states.finish_run(
        env.database, run_id, RunState.FAILED, account_id=account_id, last_sync_at=None, error=ERROR, api_calls=7
    )


def test_status_without_accounts_says_how_to_add_one(sync_env: Build, program: Program) -> None:
    """Also in a pipe, because the user asked; --json prints an empty document."""
    env = sync_env(store=False)
    done = program(env, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "hostaway-sync account add ID" in done.stdout
    document = json.loads(program(env, "status", "--json").stdout)
    assert (document["state"], document["accounts"], document["budget"]) == ("ok", [], [])


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_unknown_account_prints_one_sentence(sync_env: Build, program: Program, options: list[str]) -> None:
    """Exit 1, nothing on stdout."""
    done = program(sync_env(), "status", "4711", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert "account 4711 is not known here" in done.stderr
    assert done.stderr.count("\n") == 1


def test_healthy_account_is_ok(sync_env: Build, program: Program) -> None:
    """Its line has state, ages, rows and requests; the sums follow."""
    env = sync_env()
    calls = env.mirror().sync.run(70001).api_calls
    lines = program(env, "status").stdout.splitlines()
    assert re.split(r"\s{2,}", lines[0].strip()) == [
        *("account", "state", "success", "verified", "live", "rows", "calls", "24 h"),
    ]
    total = sum(len(env.rows(resource)) for resource in ("listings", "reservations", "conversations", "messages"))
    cells = re.split(r"\s{2,}", lines[1].strip())
    assert cells[:2] == ["70001", "ok"]
    assert all(re.fullmatch(r"\d+ s ago", cell) for cell in cells[2:4])
    assert cells[4:] == [f"{total:,}", f"{total:,}", str(calls), str(calls)]
    assert lines[3] == "1 account: 1 ok"
    assert re.fullmatch(r"budget of this address: [\d,]+ of 1,000,000 requests in the last 1 s", lines[4])


def test_status_of_a_broken_mirror_ends_with_0(sync_env: Build, program: Program) -> None:
    """In a pipe the last error is complete."""
    env = sync_env()
    fail_a_run(env)
    done = program(env, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "failing" in done.stdout
    assert ERROR in done.stdout
    assert "1 account: 0 ok, 1 needs a look" in done.stdout


def test_status_json_has_all_that_the_table_shows(sync_env: Build, program: Program) -> None:
    """Its keys, times in ISO 8601, and the state as the first thing that scripts ask."""
    env = sync_env()
    env.mirrored()
    document = json.loads(program(env, "status", "--json").stdout)
    assert document.keys() == {
        "state",
        "now",
        "late_after_s",
        "outage",
        "feed",
        "new_words",
        "accounts",
        "automations",
        "budget",
    }
    (account,) = document["accounts"]
    assert account.keys() == ACCOUNT_KEYS
    assert (document["state"], document["late_after_s"]) == ("ok", 26 * 3600)
    assert (account["state"], account["wrong"], account["running"]) == ("ok", [], None)
    assert account["verified_as_of"] == account["last_success_at"]
    assert account["last_success_at"][10] == "T"
    assert account["last_run"]["duration_s"] >= 0
    assert account["rows"]["resources"]["reservations"] == {"live": 12, "missing": 0, "total": 12}
    assert [use["limit"] for use in document["budget"]] == [1_000_000, 1_000_000]
    assert all(use["window_s"] == 1 for use in document["budget"])
    fail_a_run(env)
    document = json.loads(program(env, "status", "--json").stdout)
    assert (document["state"], document["accounts"][0]["state"]) == ("look", "failing")
    assert ERROR in document["accounts"][0]["wrong"][0]


def test_status_shows_the_records_of_a_running_run(sync_env: Build, program: Program) -> None:
    """With mode, start and number of records; a lease without a run belongs to another command."""
    env = sync_env()
    env.mirrored()
    leases.acquire_lease(env.database, 70001, process_names.name_this_process())
    assert "another command works on it" in program(env, "status").stdout
    run_id = run_states.create_run(env.database, 70001, Mode.FULL, max_retries=0)
    run_states.start_run(env.database, run_id, 70001)
    shown = program(env, "status").stdout
    assert re.search(r"running .*full run for \d+ s, 0 records so far", shown)
    assert "1 account: 0 ok, 1 running" in shown
    account = json.loads(program(env, "status", "--json").stdout)["accounts"][0]
    assert account["running"].keys() == {"host", "lease_expires_at", "mode", "since", "records"}
    assert (account["state"], account["running"]["mode"]) == ("running", "full")
    assert re.search(r"running +full run for .*lease until [\d:]+ UTC", program(env, "status", "70001").stdout)


def test_status_of_one_account_shows_resources_and_runs(sync_env: Build, program: Program) -> None:
    """Resources have watermarks; the last runs, newest first, have their errors."""
    env = sync_env()
    env.mirrored()
    fail_a_run(env)
    done = program(env, "status", "70001")
    assert (done.returncode, done.stderr) == (0, "")
    head, resources, history = re.split(r"\n\n(?=resource|run )", done.stdout)
    assert head.startswith("account 70001: failing\n  last run failed")
    assert "last verify     never" in head
    assert [line.split()[0] for line in resources.splitlines()] == [
        *("resource", "listings", "reservations", "conversations", "messages")
    ]
    runs_shown = history.splitlines()
    assert [line.split()[3] for line in runs_shown[1:3]] == ["failed", "success"]
    assert runs_shown[1].rstrip().endswith(ERROR)


def test_json_of_one_account_has_its_history(sync_env: Build, program: Program) -> None:
    """It has the keys of the document of all accounts, and watermarks and runs."""
    env = sync_env()
    env.mirrored()
    (account,) = json.loads(program(env, "status", "70001", "--json").stdout)["accounts"]
    assert account.keys() == ACCOUNT_KEYS | {"calendar", "other_resources", "watermarks", "runs"}
    assert set(account["watermarks"]) == {"listings", "reservations", "conversations", "messages"}
    assert account["watermarks"]["reservations"].keys() == {"watermark_at", "swept_at"}
    (run,) = account["runs"]
    assert (run["mode"], run["state"]) == ("full", "success")
    assert run["resources"]["reservations"]["inserted"] == 12


def test_status_of_one_account_shows_certificate_and_quarantine(sync_env: Build, program: Program) -> None:
    """The last verification, the quarantined records, and the due threads."""
    env = sync_env()
    env.mirrored()
    with env.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO hostaway.verifications (account_id, verified_at, is_equal, is_deep, api_calls, certificate)"
            """ VALUES (70001, now(), false, true, 4, '{"error": null, "resources": {"listings":"""
            """ {"missing": 1, "extra": 0, "different": 2, "newer_at_source": 1}}}')"""
        )
        connection.exec_driver_sql(
            "INSERT INTO hostaway.quarantined_records (account_id, resource, reason, payload_hash, exact)"
            " VALUES (70001, 'reservations', 'no usable id', '', '')"
        )
        connection.exec_driver_sql(
            "UPDATE hostaway.conversations SET thread_due_at = '2020-01-01'"
            " WHERE id = (SELECT min(id) FROM hostaway.conversations)"
        )
    shown = program(env, "status", "70001").stdout
    assert "account 70001: differs" in shown
    assert re.search(r"last verify .*: 3 differences, 1 of them late, every thread read", shown)
    assert "1 record could not be stored" in shown
    assert "1 without a row, 0 stored cleaned" in shown
    assert "1 thread not read yet" in shown
    assert re.search(r"^conversations .* 1$", shown, re.MULTILINE)
    assert "(and 2 more)" in program(env, "status").stdout


def test_status_shows_waiting_deliveries_and_a_missing_worker(sync_env: Build, program: Program) -> None:
    """Also since when they wait, and how many dead letters are open."""
    env = sync_env()
    env.mirrored()
    deliver(env.database, 70001)
    with env.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hostaway.webhook_log SET created_at = now() - interval '3 hours'")
        connection.exec_driver_sql("UPDATE hostaway.procrastinate_events SET at = now() - interval '3 hours'")
        connection.exec_driver_sql(
            "INSERT INTO hostaway.dead_letters (attempt_id, kind, account_id, job, deliveries, error, history)"
            " VALUES (gen_random_uuid(), 'sync', 70001, 'sync:70001', 0, 'away', '[]')"
        )
    shown = program(env, "status").stdout
    assert "1 delivery waiting, the oldest for 3 h" in shown
    assert "1 dead letter waiting for you" in shown
    detail = program(env, "status", "70001").stdout
    assert re.search(r"^deliveries +1 delivery waiting, the oldest for 3 h; 1 dead letter$", detail, re.MULTILINE)
    assert "deferred work has been due for 3 h: no worker runs" in detail
    (account,) = json.loads(program(env, "status", "--json").stdout)["accounts"]
    assert (account["deliveries"]["deliveries"], account["deliveries"]["dead_letters"]) == (1, 1)
    assert (account["deliveries"]["has_worker"], account["silence"]) == (False, None)


@pytest.mark.parametrize("columns", [60, 80, 140, 200])
def test_terminal_shows_each_account_on_one_line(sync_env: Build, columns: int) -> None:
    """At every width; problems are beside or below, the worst first."""
    env = sync_env(accounts=[AccountSpec(70000 + number, reservations=1, listings=1) for number in range(1, 6)])
    with env.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE hostaway.accounts SET name = repeat('Seaside Villas ', 5), is_active = true")
        connection.exec_driver_sql("UPDATE hostaway.accounts SET is_active = false WHERE account_id = 70004")
        connection.exec_driver_sql("UPDATE hostaway.accounts SET last_sync_at = now() WHERE account_id <> 70001")
    fail_a_run(env, 70005)
    lines = read_on_terminal(env, "status", columns=columns)
    assert max(map(len, lines)) <= columns
    rows = lines[1:6]
    assert [line.split()[0] for line in rows] == ["70001", "70002", "70003", "70004", "70005"]
    assert [re.split(r"\s{2,}", line)[2] for line in rows] == ["never", "ok", "ok", "disabled", "failing"]
    told = [line for line in lines if "last run failed" in line or "never synced" in line]
    assert [line.split(":")[0][:5] for line in told] == (["70005", "70001"] if columns < 140 else ["70001", "70005"])
    assert any("5 accounts: 2 ok, 1 disabled, 2 need a look" in line for line in lines)


def test_terminal_shows_complete_errors_of_one_account(sync_env: Build) -> None:
    """A user who names one account wants to read all of it."""
    env = sync_env()
    fail_a_run(env)
    shown = " ".join(read_on_terminal(env, "status", "70001", columns=80))
    assert re.sub(r"\s+", " ", shown).count(ERROR) == 2
