"""A process that removes less from payloads than its database demands: every command refuses to run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.support.store.guest_data import dump_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

RULE = "*.guestEmail=drop,reservations.guestName=hash"
COMMANDS = (
    ("sync", "{account}"),
    ("sync", "{account}", "--full", "--dry-run"),
    ("sync-all",),
    ("verify", "{account}"),
    ("verify", "{account}", "--deep", "--repair"),
    ("worker", "--drain"),
    ("serve-webhooks", "--port", "0"),
    ("account", "add", "70002", "--secret-stdin"),
)


@pytest.mark.parametrize("setting", ["", "reservations.guestName=drop"])
def test_each_command_that_stores_payloads_is_refused(sync_env: Build, program: Program, setting: str) -> None:
    """Exit 78, one sentence that says what to do, no request, and no row."""
    env = sync_env(reservations=3)
    assert program(env, "sync", str(env.account_id), PAYLOAD_FIELDS=RULE).returncode == 0
    before, calls = dump_rows(env), env.sandbox.calls.total()
    for command in COMMANDS:
        words = [word.format(account=env.account_id) for word in command]
        done = program(env, *words, stdin="sandbox", PAYLOAD_FIELDS=setting)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1), (words, done)
        assert (
            "hides less than this database does: set it to what `hostaway-sync database payload-fields" in done.stderr
        )
    assert (dump_rows(env), env.sandbox.calls.total()) == (before, calls)
    assert program(env, "status", PAYLOAD_FIELDS=setting).returncode == 0
    assert program(env, "sync", str(env.account_id), "--full", PAYLOAD_FIELDS=RULE).returncode == 0


def test_one_command_shows_and_loosens_the_payload_rule(sync_env: Build, program: Program) -> None:
    """It prints the value that the setting must get; an invalid value is a usage error."""
    env = sync_env(reservations=3)

    def rule() -> str | None:
        shown = program(env, "database", "payload-fields", "show", "--json")
        return json.loads(shown.stdout)["rule"]  # type: ignore[no-any-return]  # text or null

    assert rule() is None
    assert program(env, "sync", str(env.account_id), PAYLOAD_FIELDS=RULE).returncode == 0
    assert rule() == RULE
    assert program(env, "database", "payload-fields", "show").stdout == f"{RULE}\n"
    for nonsense in ("guestName", "reservations.id=drop", "owners.name=drop"):
        done = program(env, "database", "payload-fields", "set", nonsense)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert rule() == RULE
    less = "reservations.guestName=hash"
    done = program(env, "database", "payload-fields", "set", less)
    assert done.returncode == 0
    assert f"the rule is {less}: set HOSTAWAY_SYNC_PAYLOAD_FIELDS to it for every process" in done.stderr
    assert program(env, "sync", str(env.account_id), "--full", PAYLOAD_FIELDS=less).returncode == 0
    assert all("guestEmail" in row for row in env.rows("reservations").values())
    assert program(env, "sync", str(env.account_id)).returncode == 78
    assert program(env, "database", "payload-fields", "set", "").returncode == 0
    assert rule() == ""
    assert program(env, "sync", str(env.account_id), "--full").returncode == 0
    assert env.differences() == {}


def test_database_move_keeps_the_payload_rule(sync_env: Build, program: Program, empty_database_url: str) -> None:
    """The new database refuses a process without the setting, as the old one does."""
    env = sync_env(reservations=3)
    assert program(env, "sync", str(env.account_id), PAYLOAD_FIELDS=RULE).returncode == 0
    env.database.engine.dispose()
    moved = program(env, "database", "move", "--to", "-", stdin=empty_database_url)
    assert moved.returncode == 0, moved
    assert program(env, "sync-all", DATABASE_URL=empty_database_url).returncode == 78
    assert program(env, "sync-all", DATABASE_URL=empty_database_url, PAYLOAD_FIELDS=RULE).returncode == 0
