from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.support import sql
from tests.support.barrier import PATIENCE, Barrier
from tests.support.processes import start_program
from tests.support.servers.webhook_program import serve_webhooks
from tests.support.store.account_rows import count_rows
from tests.support.terminal import start_on_terminal

from hostaway_sync.model.records import RunState
from hostaway_sync.sandbox import CLIENT_SECRET, AccountSpec
from hostaway_sync.sandbox.server.faults import bad_gateway

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

ID = "70001"
ONE = "0b9fdf4c-1d0a-4f0e-9c43-0a6f1f1c9a11"
SECRETS = (
    "client_secret",
    "access_token",
    "webhook_login",
    "webhook_password",
    "webhook_path_secret",
    "webhook_previous",
)


def add_listings(env: SyncEnv, rows: int) -> None:
    """Store this many listings that the source never had."""
    with env.database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO hostaway.listings (account_id, id, observed_at, payload_hash, raw_payload)"
                f" SELECT 70001, 1000000 + n, now(), ''::bytea, '{{}}' FROM generate_series(1, {rows}) AS n"
            )
        )


def test_remove_revokes_at_the_source_and_keeps_rows(sync_env: Build, program: Program) -> None:
    """Token and webhook are removed at Hostaway, every secret is erased; the rows stay."""
    env = sync_env()
    env.mirrored()
    with serve_webhooks(env) as receiver:
        program(env, "webhooks", "register", ID, "--url", receiver.base)
        done = program(env, "account", "remove", ID, "--yes", "--json", LOG_LEVEL="DEBUG")
    document = json.loads(done.stdout)
    assert (done.returncode, document["webhooks_removed"], document["token_revoked"]) == (0, 1, True)
    assert (document["rows_deleted"], document["troubles"]) == ({}, [])
    assert env.sandbox.accounts[70001].hooks.all() == []
    (revoked,) = [logged for logged in env.sandbox.requests if logged.route == "DELETE /accessTokens"]
    token = revoked.query["token"]
    assert not env.sandbox.tokens.good(token, env.sandbox.clock())
    assert token not in done.stderr + done.stdout
    assert sql.rows(env.database, f"SELECT {', '.join(SECRETS)}, is_active FROM accounts") == [
        (*[None] * len(SECRETS), False)
    ]
    assert env.differences() == {}
    told = [action for (action,) in sql.rows(env.database, "SELECT action FROM audit_log ORDER BY audit_id")]
    assert told == ["added", "updated", "disabled", "updated", "removed"]


def test_removed_account_can_be_added_again_with_its_rows(sync_env: Build, program: Program) -> None:
    """Commands refuse it, `account list` shows it, `status` does not; it may return for another customer."""
    env = sync_env()
    env.mirrored()
    program(env, "account", "remove", ID, "--yes")
    for refused in (("sync", ID), ("account", "enable", ID), ("account", "update", ID, "--name", "x")):
        done = program(env, *refused)
        assert (done.returncode, "was removed" in done.stderr) == (1, True)
    assert program(env, "account", "remove", ID, "--yes").returncode == 1
    assert json.loads(program(env, "account", "show", ID, "--json").stdout)["removed_at"]
    assert json.loads(program(env, "account", "list", "--json").stdout)[0]["removed_at"]
    assert json.loads(program(env, "status", "--json").stdout)["accounts"] == []
    assert program(env, "sync-all").returncode == 78
    added = program(env, "account", "add", ID, "--secret-stdin", "--customer-id", ONE, stdin=CLIENT_SECRET)
    assert (added.returncode, added.stderr) == (0, "")
    assert env.differences() == {}
    assert sql.rows(env.database, "SELECT DISTINCT customer_id::text FROM messages") == [(ONE,)]
    assert sql.rows(env.database, "SELECT removed_at, is_active FROM accounts") == [(None, True)]


def test_failed_revocation_is_reported_and_the_account_removed(sync_env: Build, program: Program) -> None:
    """Two sentences say what Hostaway still holds."""
    env = sync_env()
    with serve_webhooks(env) as receiver:
        program(env, "webhooks", "register", ID, "--url", receiver.base)
    env.sandbox.faults.add(bad_gateway(), times=None)
    done = program(env, "account", "remove", ID, "--yes", "--json")
    assert (done.returncode, done.stderr.count("\n")) == (0, 2)
    document = json.loads(done.stdout)
    assert (document["webhooks_removed"], document["token_revoked"], len(document["troubles"])) == (None, False, 2)
    assert sql.rows(env.database, "SELECT removed_at IS NOT NULL FROM accounts") == [(True,)]


def test_account_with_a_lost_key_can_be_removed(sync_env: Build, program: Program) -> None:
    """Its secrets cannot be opened, so Hostaway cannot be told; the output says so."""
    env = sync_env()
    key = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
    done = program(env, "account", "remove", ID, "--yes", "--purge", MASTER_KEY=key)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert count_rows(env).keys() == {"audit_log"}


def test_purging_leaves_nothing_but_the_audit_log(sync_env: Build, program: Program) -> None:
    """No row of the account is left, no row of another is touched, and it may be added again."""
    env = sync_env(accounts=[AccountSpec(70001, reservations=12, listings=3), AccountSpec(70002, reservations=3)])
    for account_id in (70001, 70002):
        env.mirror().sync.run(account_id)
        env.mirror().sync.verify(account_id)
        env.mirror().jobs.enqueue_syncs()
    before, other = count_rows(env), count_rows(env, 70002)
    done = program(env, "account", "remove", ID, "--purge", "--yes", "--json")
    deleted = json.loads(done.stdout)["rows_deleted"]
    assert deleted == {name: n for name, n in before.items() if name not in ("accounts", "leases", "audit_log")}
    assert count_rows(env) == {"audit_log": 5}
    assert count_rows(env, 70002) == other
    assert sql.rows(env.database, "SELECT args ->> 'account_id' FROM procrastinate_jobs") == [("70002",)]
    ((changes,),) = sql.rows(env.database, "SELECT changes FROM audit_log WHERE action = 'purged'")
    assert changes == {"rows": deleted}
    assert program(env, "account", "remove", ID, "--purge", "--yes").returncode == 1
    assert program(env, "account", "add", ID, "--secret-stdin", stdin=CLIENT_SECRET).returncode == 0
    assert env.differences() == {}


def test_removed_account_can_be_purged_later(sync_env: Build, program: Program) -> None:
    """Its secrets are already erased, and the purge sends no request to Hostaway."""
    env = sync_env()
    env.mirrored()
    program(env, "account", "remove", ID, "--yes")
    env.sandbox.stop()
    done = program(env, "account", "remove", ID, "--purge", "--yes")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert count_rows(env).keys() == {"audit_log"}


@pytest.mark.parametrize("then", ["purged", "added"])
def test_killed_purge_is_continued_by_the_next_one(sync_env: Build, program: Program, then: str) -> None:
    """Deleted rows stay deleted; an account that is added again instead gets its whole mirror."""
    env = sync_env()
    env.mirrored()
    add_listings(env, 10_100)
    with env.database.engine.begin() as connection:
        last = "SELECT 1 FROM hostaway.listings WHERE id = (SELECT max(id) FROM hostaway.listings) FOR UPDATE"
        connection.execute(sa.text(last))
        process = start_program(env.environment(), "account", "remove", ID, "--purge", "--yes")
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not sql.rows(env.database, waits):
            assert process.is_alive()
        process.kill()
        process.join(PATIENCE)
    left = count_rows(env)
    assert left["listings"] == len(env.truth("listings")) + 100
    assert "conversation_messages" not in left
    assert "watermarks" not in left
    if then == "purged":
        done = program(env, "account", "remove", ID, "--purge", "--yes")
        assert (done.returncode, done.stderr) == (0, "")
        assert count_rows(env).keys() == {"audit_log"}
        return
    done = program(env, "account", "add", ID, "--secret-stdin", "--no-sync", stdin=CLIENT_SECRET)
    assert (done.returncode, done.stderr) == (0, "")
    report = env.mirror().sync.run(env.account_id, accept_missing=True)
    assert report.state is RunState.SUCCESS
    assert env.differences() == {}


def test_remove_waits_for_a_running_run(sync_env: Build) -> None:
    """The run ends with its next page; then the account is removed, and none of its rows returns."""
    env = sync_env()
    with Barrier(env.sandbox, "GET /reservations") as barrier:
        run = start_program(env.environment(), "sync", ID)
        barrier.wait()
        process = start_program(env.environment(), "account", "remove", ID, "--purge", "--yes")
        while sql.rows(env.database, "SELECT is_active FROM accounts") == [(True,)]:
            assert process.is_alive()
    for one in (run, process):
        one.join(PATIENCE)
    assert (run.exitcode, process.exitcode) == (1, 0)
    assert count_rows(env).keys() == {"audit_log"}


def test_running_refresh_stores_nothing_after_a_purge(sync_env: Build) -> None:
    """A worker that waits for Hostaway during the purge writes nothing, and nothing fails."""
    env = sync_env()
    mirror = env.mirrored()
    with (
        Barrier(env.sandbox, "GET /reservations/{id}", answered=True) as barrier,
        serve_webhooks(env, worker=True) as receiver,
    ):
        with mirror.webhooks.open_registrar(env.account_id) as webhook:
            webhook.register(receiver.base)
        env.sandbox.world.touch([next(iter(env.truth("reservations")))])
        assert set(env.sandbox.deliver()) == {200}
        barrier.wait()
        mirror.accounts.remove(env.account_id, purge=True)
        barrier.open.set()
        while sql.rows(env.database, "SELECT 1 FROM procrastinate_jobs"):
            pass
    assert count_rows(env).keys() == {"audit_log"}


@pytest.mark.parametrize(("typed", "code"), [("70001", 0), ("70002", 2), ("", 2)])
def test_remove_on_a_terminal_asks_for_the_id(sync_env: Build, typed: str, code: int) -> None:
    """The same id confirms; any other input changes nothing."""
    env = sync_env()
    process, main = start_on_terminal(env.environment(), "account", "remove", ID)
    shown = b""
    while b"to go on: " not in shown:
        shown += os.read(main, 4096)
    os.write(main, f"{typed}\n".encode() if typed else b" \n")
    while b"\n" not in shown.partition(b"to go on: ")[2].partition(b"\n")[2]:
        shown += os.read(main, 4096)
    assert process.wait(timeout=PATIENCE) == code
    os.close(main)
    assert sql.rows(env.database, "SELECT removed_at IS NOT NULL FROM accounts") == [(code == 0,)]


def test_remove_without_a_terminal_needs_yes(sync_env: Build, program: Program) -> None:
    """A script without --yes changes nothing."""
    env = sync_env()
    done = program(env, "account", "remove", ID)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert sql.rows(env.database, "SELECT is_active FROM accounts") == [(True,)]


def test_account_cannot_be_added_while_it_is_purged(sync_env: Build) -> None:
    """The purge holds the account's lease."""
    env = sync_env()
    mirror = env.mirror()
    mirror.accounts.remove(env.account_id)
    told: list[Any] = []

    def add(table: str, rows: int) -> None:
        if not told:
            told.append((table, rows))
            with pytest.raises(Exception, match="is being synced by another run"):
                mirror.accounts.add(70001, SecretStr(CLIENT_SECRET), name=None, customer_id=None)

    add_listings(env, 1)
    mirror.accounts.remove(env.account_id, purge=True, progress=add)
    assert told
