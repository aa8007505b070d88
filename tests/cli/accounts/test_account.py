from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.terminal import start_on_terminal

from hostaway_sync.sandbox import CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_wrong_secret_prints_one_sentence_and_stores_nothing(sync_env: Build, program: Program) -> None:
    """Exit 1, nothing on stdout, and no account in the database."""
    env = sync_env(store=False)
    done = program(env, "account", "add", "70001", "--secret-stdin", stdin="wrong\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "check the id and the key" in done.stderr
    assert sql.rows(env.database, "SELECT count(*) FROM accounts") == [(0,)]


def test_unreachable_api_prints_one_sentence_and_stores_nothing(sync_env: Build, program: Program) -> None:
    """Exit 1, and the sentence names the address that could not be reached."""
    env = sync_env(store=False)
    address = env.sandbox.url
    env.sandbox.stop()
    done = program(env, "account", "add", "70001", "--secret-stdin", stdin=CLIENT_SECRET)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert address in done.stderr
    assert sql.rows(env.database, "SELECT count(*) FROM accounts") == [(0,)]


@pytest.mark.parametrize("account_id", ["abc", "0", "-7", "1.5", "9223372036854775808", "\u0667"])
def test_id_that_is_no_number_is_a_usage_error(program: Program, account_id: str) -> None:
    """The command ends with 2 before it opens anything."""
    done = program(None, "account", "add", "--secret-stdin", "--", account_id, stdin="x")
    assert done.returncode == 2
    assert "is not an account id: give Hostaway's number, such as 70001" in " ".join(done.stderr.split())


def test_an_account_that_exists_is_not_added_again(sync_env: Build, program: Program) -> None:
    """Exit 1, and the sentence says what to type instead."""
    env = sync_env()
    done = program(env, "account", "add", "70001", "--secret-stdin", stdin=CLIENT_SECRET)
    assert (done.returncode, done.stdout) == (1, "")
    assert "hostaway-sync sync 70001" in done.stderr


def test_adding_an_account_mirrors_it_in_silence(sync_env: Build, program: Program) -> None:
    """Without a terminal, a successful command prints nothing; the rows are in the database."""
    env = sync_env(store=False)
    done = program(env, "account", "add", "70001", "--secret-stdin", "--name", "Harbour", stdin=f"{CLIENT_SECRET}\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert env.differences() == {}


def test_no_sync_stores_the_account_only(sync_env: Build, program: Program) -> None:
    """With --no-sync the first sync comes later; the secret may come from the environment."""
    env = sync_env(store=False)
    customer = "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11"
    done = program(env, "account", "add", "70001", "--no-sync", "--customer-id", customer, CLIENT_SECRET=CLIENT_SECRET)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sql.rows(env.database, "SELECT customer_id::text FROM accounts") == [(customer,)]
    assert env.rows("listings") == {}


def test_secret_may_come_from_a_file(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """HOSTAWAY_SYNC_CLIENT_SECRET_FILE keeps the secret out of the environment."""
    file = tmp_path / "secret"
    file.write_text(f"{CLIENT_SECRET}\n")
    done = program(sync_env(store=False), "account", "add", "70001", "--no-sync", CLIENT_SECRET_FILE=str(file))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--secret-stdin"], []])
def test_missing_secret_is_a_usage_error_without_a_prompt(
    sync_env: Build, program: Program, arguments: list[str]
) -> None:
    """Stdin is empty or closed, and there is no terminal: the command must not wait for input."""
    done = program(sync_env(store=False), "account", "add", "70001", *arguments)
    assert done.returncode == 2
    assert "secret" in done.stderr


def test_secret_prompt_on_a_terminal_is_hidden(sync_env: Build) -> None:
    """The terminal shows nothing of the secret that the user types."""
    env = sync_env(store=False)
    process, main = start_on_terminal(env.environment(), "account", "add", "70001", "--no-sync")
    shown = _read_until(main, b"Client secret: ")
    os.write(main, f"{CLIENT_SECRET}\n".encode())
    shown += _read_until(main, b"added.")
    assert process.wait(timeout=30) == 0
    assert CLIENT_SECRET.encode() not in shown
    os.close(main)


def test_account_list_is_a_table_or_json(sync_env: Build, program: Program) -> None:
    """`account list` shows each account; --json prints one document without secrets."""
    env = sync_env()
    table = program(env, "account", "list")
    assert table.returncode == 0
    assert "70001" in table.stdout
    assert "never" in table.stdout
    (document,) = json.loads(program(env, "account", "list", "--json").stdout)
    keys = {
        "account_id",
        "name",
        "customer_id",
        "is_active",
        "last_sync_at",
        "created_at",
        "removed_at",
        "resource_sets",
    }
    assert document.keys() == keys
    assert document["account_id"] == 70001


def test_empty_account_list_prints_nothing(sync_env: Build, program: Program) -> None:
    """Without accounts the command prints nothing, and with --json an empty list."""
    env = sync_env(store=False)
    assert program(env, "account", "list").stdout == ""
    assert json.loads(program(env, "account", "list", "--json").stdout) == []


def test_secrets_are_sealed_in_the_database(sync_env: Build, program: Program) -> None:
    """No column holds the secret or the token as plain text."""
    env = sync_env(store=False)
    program(env, "account", "add", "70001", "--no-sync", "--secret-stdin", stdin=CLIENT_SECRET)
    ((row,),) = sql.rows(env.database, "SELECT accounts::text FROM accounts")
    assert CLIENT_SECRET.encode().hex() not in row
    assert sql.rows(env.database, "SELECT access_token IS NOT NULL FROM accounts") == [(True,)]


def _read_until(descriptor: int, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        chunk = os.read(descriptor, 4096)
        assert chunk, seen
        seen += chunk
    return seen
