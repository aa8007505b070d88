from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.processes import read_terminal
from tests.support.terminal import start_on_terminal

from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.processes import names as process_names
from hostaway_sync.store.runs import leases

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

COUNTS = {"seen", "inserted", "updated", "unchanged", "stale", "quarantined", "missing"}
RESOURCES = {"listings", "reservations", "conversations", "messages", "calendar"}


def test_healthy_sync_prints_nothing_to_a_pipe(sync_env: Build, program: Program) -> None:
    """Cron would mail any output."""
    env = sync_env()
    done = program(env, "sync", "70001", "--full")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert env.differences() == {}


def test_sync_json_has_its_contract_keys(sync_env: Build, program: Program) -> None:
    """One document, with counts that add up."""
    document = json.loads(program(sync_env(), "sync", "70001", "--full", "--json").stdout)
    assert document.keys() == {"account_id", "mode", "state", "api_calls", "duration_s", "resources"}
    assert (document["account_id"], document["mode"], document["state"]) == (70001, "full", "success")
    assert document["resources"].keys() == RESOURCES
    for counts in document["resources"].values():
        assert counts.keys() == COUNTS
        parts = COUNTS - {"seen", "missing"}
        assert counts["seen"] == sum(counts[name] for name in parts)


@pytest.mark.parametrize("command", [("sync", "70001"), ("sync-all",)])
def test_dry_run_reports_what_a_run_would_write(sync_env: Build, program: Program, command: tuple[str, ...]) -> None:
    """In a pipe and as JSON, with ids; the run that follows writes exactly these rows."""
    env = sync_env()
    env.mirrored()
    paid = next(iter(env.truth("reservations")))
    env.sandbox.world.pay(paid)
    booked = env.sandbox.world.create_reservation(conversation=False)
    shown = program(env, *command, "--dry-run")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"account 70001: reservations that would be inserted: {booked}\n" in shown.stdout
    assert f"account 70001: reservations that would be updated: {paid}\n" in shown.stdout
    assert shown.stdout.endswith("dry run: nothing was written\n")
    document = json.loads(program(env, *command, "--dry-run", "--json").stdout)
    document = document if command[0] == "sync" else document["accounts"][0]
    assert (document["dry_run"], document["ids"].keys()) == (True, RESOURCES - {"calendar"})
    assert document["ids"]["reservations"] == {"inserted": [booked], "updated": [paid]}
    assert not any(document["ids"]["listings"].values())
    before = dict(sql.rows(env.database, "SELECT id, updated_at FROM reservations"))
    done = json.loads(program(env, "sync", "70001", "--json").stdout)
    after = dict(sql.rows(env.database, "SELECT id, updated_at FROM reservations"))
    assert {key for key in after if before.get(key) != after[key]} == {booked, paid}
    assert "dry_run" not in done


def test_dry_run_shows_few_ids_and_counts_the_rest(sync_env: Build, program: Program) -> None:
    """JSON has all ids."""
    env = sync_env(reservations=25, conversations=False)
    shown = program(env, "sync", "70001", "--dry-run", "--resource", "reservations").stdout
    assert " and 5 more\n" in shown
    assert sql.rows(env.database, "SELECT count(*) FROM reservations") == [(0,)]
    document = json.loads(program(env, "sync", "70001", "--dry-run", "--json").stdout)
    assert document["ids"]["reservations"]["inserted"] == sorted(env.truth("reservations"))


def test_one_resource_leaves_the_others_at_zero(sync_env: Build, program: Program) -> None:
    """--resource may be repeated; the document still names all four."""
    arguments = ["--resource", "listings", "--resource", "reservations"]
    resources = json.loads(program(sync_env(), "sync", "70001", *arguments, "--json").stdout)["resources"]
    assert {name for name, counts in resources.items() if counts["seen"]} == {"listings", "reservations"}


def test_unknown_account_prints_one_sentence(sync_env: Build, program: Program) -> None:
    """Exit 1, and what to type."""
    done = program(sync_env(store=False), "sync", "70001")
    assert (done.returncode, done.stdout) == (1, "")
    assert "hostaway-sync account add 70001" in done.stderr


def test_failed_sync_names_account_and_resource(sync_env: Build, program: Program) -> None:
    """Exit 1 and one line; --json prints its document all the same."""
    env = sync_env()
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
    done = program(env, "sync", "70001", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "partial"
    assert done.stderr.startswith("hostaway-sync: account 70001: reservations: ")
    assert done.stderr.count("\n") == 1


def test_sync_during_another_run_ends_with_75_in_silence(sync_env: Build, program: Program) -> None:
    """Overlapping cron runs send no mail."""
    env = sync_env()
    leases.acquire_lease(env.database, 70001, process_names.name_this_process())
    done = program(env, "sync", "70001")
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "")
    done = program(env, "sync-all")
    assert (done.returncode, done.stdout, done.stderr) == (75, "", "")


def test_sync_all_names_the_account_that_failed(sync_env: Build, program: Program) -> None:
    """Exit 1; the other accounts are whole, and the JSON shows both."""
    env = sync_env(accounts=[AccountSpec(id=number, reservations=5) for number in (70001, 70002)])
    env.sandbox.faults.add(faults.bad_gateway(), account_id=70002, times=None)
    done = program(env, "sync-all", "--json")
    assert done.returncode == 1
    assert "account 70002" in done.stderr
    document = json.loads(done.stdout)
    assert document.keys() == {"state", "failed", "accounts"}
    assert (document["state"], document["failed"]) == ("partial", [70002])
    for account in document["accounts"]:
        assert account.keys() == {"account_id", "mode", "state", "api_calls", "duration_s", "resources", "error"}
    assert [account["error"] is None for account in document["accounts"]] == [True, False]
    assert env.differences(70001) == {}


def test_sync_all_without_accounts_is_a_configuration_error(sync_env: Build, program: Program) -> None:
    """Exit 78, and what to do: most often the database is the wrong one."""
    done = program(sync_env(store=False), "sync-all")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert "account add" in done.stderr


def test_dry_run_prints_its_table_to_a_pipe(sync_env: Build, program: Program) -> None:
    """The user asked for the table."""
    env = sync_env()
    done = program(env, "sync", "70001", "--dry-run")
    assert done.returncode == 0
    assert "reservations" in done.stdout
    assert env.rows("reservations") == {}


def test_quarantined_records_are_reported(sync_env: Build, program: Program) -> None:
    """A record without an id is stored, counted and reported, and the run is a success."""
    env = sync_env()
    env.sandbox.world.append_raw("reservations", b'{"guestName": "nobody"}')
    done = program(env, "sync", "70001", "--json", LOG_FORMAT="console")
    assert done.returncode == 0
    assert json.loads(done.stdout)["resources"]["reservations"]["quarantined"] == 1
    assert "1 records got no row" in done.stderr


def test_terminal_shows_progress_and_a_table(sync_env: Build) -> None:
    """Bars show the time left; the table follows."""
    env = sync_env(reservations=40)
    process, main = start_on_terminal(env.environment() | {"TERM": "xterm", "COLUMNS": "120"}, "sync", "70001")
    shown = read_terminal(main)
    assert process.wait(timeout=30) == 0
    assert "70001 reservations" in shown
    assert "left" in shown
    assert "unchanged" in shown
    assert "API calls" in shown


def test_debug_logs_hold_no_secret(sync_env: Build, program: Program) -> None:
    """The DEBUG log has neither token nor secret; the fixture looks for them in all output."""
    env = sync_env()
    done = program(env, "sync", "70001", LOG_LEVEL="DEBUG", LOG_FORMAT="json")
    assert done.returncode == 0
    assert all(json.loads(line)["level"] for line in done.stderr.splitlines())
    assert "/reservations" in done.stderr


def test_dry_run_of_all_prints_its_table_in_a_pipe(sync_env: Build, program: Program) -> None:
    """As the dry run of one account does."""
    env = sync_env()
    done = program(env, "sync-all", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "70001" in done.stdout
    assert "success" in done.stdout
    assert env.rows("reservations") == {}


def test_held_lease_prints_a_skipped_document(sync_env: Build, program: Program) -> None:
    """Exit 75 and nothing on stderr, while --json says what was skipped."""
    env = sync_env()
    leases.acquire_lease(env.database, 70001, process_names.name_this_process())
    done = program(env, "sync", "70001", "--json")
    assert (done.returncode, done.stderr) == (75, "")
    document = json.loads(done.stdout)
    assert (document["state"], document["api_calls"]) == ("skipped", 0)
    assert not any(count for counts in document["resources"].values() for count in counts.values())
    done = program(env, "sync-all", "--json")
    assert (done.returncode, done.stderr) == (75, "")
    document = json.loads(done.stdout)
    assert (document["state"], document["failed"]) == ("skipped", [])
    assert [account["state"] for account in document["accounts"]] == ["skipped"]
