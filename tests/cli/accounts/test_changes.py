from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.processes import start_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ID = "70001"
ONE, TWO = "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11", "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a22"
NEW = "sandbox-secret-new"
COPIES = ("listings", "reservations", "conversations", "conversation_messages")


def audit(env: SyncEnv) -> list[tuple[Any, ...]]:
    """Return action and changes of the audit log, oldest first."""
    return sql.rows(env.database, "SELECT action, changes FROM audit_log ORDER BY audit_id")


def customers(env: SyncEnv) -> set[str | None]:
    """Return the customers in all rows of the mirror, and in the view."""
    tables = " UNION ".join(f"SELECT customer_id::text FROM {name}" for name in (*COPIES, "messages"))
    return {row[0] for row in sql.rows(env.database, tables)}


def stored_token(env: SyncEnv) -> bytes:
    """Return the sealed token."""
    ((token,),) = sql.rows(env.database, "SELECT access_token FROM accounts")
    return bytes(token)


def test_name_and_customer_are_changed_everywhere(sync_env: Build, program: Program) -> None:
    """Every row and the view have the new customer; `none` removes it, and an empty name removes the name."""
    env = sync_env()
    env.mirrored()
    for customer, wanted in ((ONE, ONE), (TWO, TWO), ("none", None)):
        done = program(env, "account", "update", ID, "--customer-id", customer, "--name", "Harbour", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["customer_id"] == wanted
        assert customers(env) == {wanted}
    assert json.loads(done.stdout)["changed"] == ["customer_id"]
    assert program(env, "account", "update", ID, "--name", "").stdout == ""
    assert audit(env)[1:] == [
        ("updated", {"customer_id": {"old": None, "new": ONE}, "name": {"old": None, "new": "Harbour"}}),
        ("updated", {"customer_id": {"old": ONE, "new": TWO}}),
        ("updated", {"customer_id": {"old": TWO, "new": None}}),
        ("updated", {"name": {"old": "Harbour", "new": None}}),
    ]


def test_new_secret_is_checked_before_it_replaces_the_old(sync_env: Build, program: Program) -> None:
    """A wrong secret changes nothing; a right one replaces secret and token; the audit log shows neither."""
    env = sync_env()
    before = sql.rows(env.database, "SELECT client_secret, access_token FROM accounts")
    wrong = program(env, "account", "update", ID, "--secret-stdin", stdin="sandbox-secret-wrong")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert sql.rows(env.database, "SELECT client_secret, access_token FROM accounts") == before
    env.sandbox.reconfigure(env.account_id, client_secret=NEW)
    done = program(env, "account", "update", ID, "--secret", "--json", CLIENT_SECRET=NEW)
    assert json.loads(done.stdout)["changed"] == ["client_secret"]
    assert stored_token(env) != bytes(before[0][1])
    assert audit(env)[1:] == [("updated", {"client_secret": "replaced"})]
    env.sandbox.revoke_tokens()
    assert program(env, "sync", ID).returncode == 0
    again = program(env, "account", "update", ID, "--secret-stdin", "--json", stdin=NEW)
    assert json.loads(again.stdout)["changed"] == []


@pytest.mark.parametrize("arguments", [[], ["--customer-id", "nobody"], ["--secret"], ["--secret-stdin"]], ids=" ".join)
def test_invalid_update_is_a_usage_error(sync_env: Build, program: Program, arguments: list[str]) -> None:
    """No change, no UUID or no secret: exit 2 and one sentence."""
    done = program(sync_env(), "account", "update", ID, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("command", ["show", "update", "enable", "disable", "remove"])
def test_unknown_account_prints_one_sentence(sync_env: Build, program: Program, command: str) -> None:
    """Exit 1, and the sentence says what to type instead."""
    options = {"update": ["--name", "x"], "remove": ["--yes"]}
    done = program(sync_env(), "account", command, "7", *options.get(command, []))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "account add 7" in done.stderr


def test_disabled_account_is_not_synced_until_enabled(sync_env: Build, program: Program) -> None:
    """Neither `sync` nor `sync-all` reads it; its name may change; disabling it twice changes nothing."""
    env = sync_env()
    assert json.loads(program(env, "account", "disable", ID, "--json").stdout) == {
        "account_id": 70001,
        "is_active": False,
        "changed": True,
    }
    assert json.loads(program(env, "account", "disable", ID, "--json").stdout)["changed"] is False
    refused = program(env, "sync", ID)
    assert (refused.returncode, "account enable 70001" in refused.stderr) == (1, True)
    assert program(env, "sync-all").returncode == 0
    assert env.rows("listings") == {}
    assert program(env, "account", "update", ID, "--name", "Quiet").returncode == 0
    assert program(env, "account", "enable", ID).returncode == 0
    assert program(env, "sync", ID).returncode == 0
    assert env.differences() == {}
    assert [action for action, _ in audit(env)] == ["added", "disabled", "updated", "enabled"]


def test_disabling_an_account_ends_its_run_at_the_next_page(sync_env: Build, program: Program) -> None:
    """The rows stored so far stay, no page follows, and the run's error says why."""
    env = sync_env()
    with Barrier(env.sandbox, "GET /reservations") as barrier:
        process = start_program(env.environment(), "sync", ID)
        barrier.wait()
        assert program(env, "account", "disable", ID).returncode == 0
    process.join(PATIENCE)
    assert process.exitcode == 1
    assert env.rows("listings").keys() == env.truth("listings").keys()
    assert env.rows("reservations") == {}
    ((state, error),) = sql.rows(env.database, "SELECT state, error FROM sync_runs")
    assert (state, "is disabled" in error) == ("failed", True)


def test_running_run_continues_with_the_new_customer(sync_env: Build, program: Program) -> None:
    """No page of the run stores the old customer again, not even one that was being read."""
    env = sync_env()
    with Barrier(env.sandbox, "GET /reservations", answered=True) as barrier:
        process = start_program(env.environment(), "sync", ID)
        barrier.wait()
        assert program(env, "account", "update", ID, "--customer-id", ONE).returncode == 0
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert customers(env) == {ONE}


def test_view_never_mixes_customers_while_they_change(sync_env: Build) -> None:
    """While runs write, each query finds one customer in all rows, and one in each thread of the view."""
    env = sync_env(reservations=40)
    mirror = env.mirrored()
    ended = threading.Event()
    threads = len(sql.rows(env.database, "SELECT 1 FROM messages"))
    changed = next(iter(env.truth("reservations")))

    def change() -> None:
        for number in range(60):
            mirror.accounts.update(env.account_id, {"customer_id": None if number % 2 else UUID(int=number)})
        ended.set()

    changer = threading.Thread(target=change)
    changer.start()
    runner = env.mirror()
    while not ended.is_set():
        env.sandbox.world.touch([changed])
        runner.sync.run(env.account_id, full=True)
        assert len(sql.rows(env.database, "SELECT 1 FROM messages")) == threads
        assert len(customers(env)) == 1
    changer.join(PATIENCE)
    assert customers(env) == {None}


def test_account_show_prints_no_secret(sync_env: Build, program: Program) -> None:
    """It shows the fields, and the last changes with their actor, as a table or as JSON."""
    env = sync_env()
    program(env, "account", "update", ID, "--name", "Harbour", "--customer-id", ONE)
    document = json.loads(program(env, "account", "show", ID, "--json").stdout)
    assert document["name"] == "Harbour"
    newest = document["audit"][0]
    assert newest.keys() == {"changed_at", "action", "os_user", "host", "changes"}
    assert newest["os_user"]
    shown = program(env, "account", "show", ID).stdout
    assert "Harbour" in shown
    assert "updated" in shown
    assert ONE in shown
