"""A database that was changed, closed or filled while we use it: every command prints one sentence, no traceback."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.support.barrier import PATIENCE, Barrier
from tests.support.processes import printed_text, start_program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

REFUSES, LACKS = "the database refuses us: ", "the database lacks what its revision has: "
MISFIT = "the database rejected a statement (SQLSTATE 2"
TRIGGER = (
    "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not here'; END $$;"
    "CREATE TRIGGER no BEFORE INSERT ON hostaway.listings FOR EACH ROW EXECUTE FUNCTION public.no()"
)
# The change of the database, the sentence of `sync` that follows from it, and its exit code.
STATES = {
    "read-only": ("ALTER DATABASE {} SET default_transaction_read_only = on", REFUSES, 1),
    "a role that may do nothing": ("REVOKE ALL ON ALL TABLES IN SCHEMA hostaway FROM visitor", REFUSES, 1),
    "a core table dropped": ("DROP TABLE hostaway.sync_runs CASCADE", "the tables of revision ", 78),
    "a table dropped": ("DROP TABLE hostaway.request_budget CASCADE", LACKS, 1),
    "a column dropped": ("ALTER TABLE hostaway.listings DROP COLUMN raw_payload CASCADE", LACKS, 1),
    "a column of accounts dropped": ("ALTER TABLE hostaway.accounts DROP COLUMN client_secret CASCADE", LACKS, 1),
    "a function dropped": ("DROP FUNCTION hostaway.reserve_request CASCADE", LACKS, 1),
    "a key dropped": ("ALTER TABLE hostaway.listings DROP CONSTRAINT listings_pkey CASCADE", LACKS, 1),
    "a trigger of others": (TRIGGER, REFUSES, 1),
    "a constraint of others": ("ALTER TABLE hostaway.listings ADD CHECK (id < 0)", MISFIT, 1),
    "a column of others": ("ALTER TABLE hostaway.sync_runs ADD COLUMN mine integer NOT NULL", MISFIT, 1),
    "a column too narrow": ("ALTER TABLE hostaway.sync_runs ALTER COLUMN mode TYPE varchar(1) USING 'x'", MISFIT, 1),
    "the queue dropped": ("DROP TABLE hostaway.procrastinate_jobs CASCADE", "", 0),
}
COMMANDS = (
    *(("status",), ("status", "{}"), ("plan",), ("verify", "{}"), ("prune",), ("doctor",), ("worker", "--drain")),
    *(("account", "list"), ("account", "show", "{}"), ("messages", "list"), ("dead-letters", "list")),
    *(("keys", "status"), ("keys", "check"), ("keys", "rotate"), ("roles", "list"), ("webhooks", "list")),
    *(("migrate",), ("migrate", "--check"), ("database", "payload-fields", "show"), ("sync-all",)),
    ("forget-guest", "--account", "{}", "--email", "ann@example.org", "--yes"),
    ("send-message", "41200001", "Welcome", "--account", "{}", "--yes"),
    ("account", "disable", "{}"),
)


def change(env: SyncEnv, statements: str) -> None:
    """Change the database as its superuser."""
    url = env.database.engine.url
    with closing(psycopg.connect(url.set(drivername="postgresql").render_as_string(), autocommit=True)) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE visitor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute("GRANT USAGE ON SCHEMA hostaway TO visitor")
        connection.execute("GRANT SELECT ON hostaway.alembic_version TO visitor")
        connection.execute(statements.format(url.database).encode() if "$$" not in statements else statements.encode())
        if "visitor" in statements:
            connection.execute("GRANT SELECT ON hostaway.alembic_version TO visitor")


def check_commands(sync_env: Build, program: Program, state: str, commands: Sequence[tuple[str, ...]]) -> None:
    """Run a sync and these commands: exit 0, 1 or 78; the sentence of a run names the cause in one line."""
    env = sync_env(reservations=3)
    statements, sentence, code = STATES[state]
    change(env, statements)
    settings = {}
    if "visitor" in statements:
        settings["DATABASE_URL"] = env.database.engine.url.set(username="visitor").render_as_string()
    done = program(env, "sync", str(env.account_id), **settings)
    assert done.returncode == code, done
    assert done.stderr.startswith(f"hostaway-sync: {sentence}" if sentence else "")
    assert done.stderr.count("\n") == (1 if sentence else 0), done
    for command in commands:
        done = program(env, *(word.format(env.account_id) for word in command), **settings)
        assert done.returncode in {0, 1, 78}, (command, done)
        assert done.stderr.count("\n") <= 1, (command, done)
        assert bool(done.stderr or done.stdout) >= bool(done.returncode), (command, done)


@pytest.mark.parametrize(("number", "state"), list(enumerate(STATES)))
def test_some_commands_end_with_a_sentence_in_each_state(
    sync_env: Build, program: Program, number: int, state: str
) -> None:
    """A third of the commands in each state, all in any three; the long tests run every pair."""
    check_commands(sync_env, program, state, COMMANDS[number % 3 :: 3])


@pytest.mark.soak
@pytest.mark.parametrize("state", STATES)
def test_every_command_ends_with_a_sentence_in_each_state(sync_env: Build, program: Program, state: str) -> None:
    """The same for every command in every state."""
    check_commands(sync_env, program, state, COMMANDS)


@pytest.mark.parametrize("name", ["dropped", "renamed"])
def test_run_ends_at_once_when_its_database_stops(sync_env: Build, name: str) -> None:
    """The server closes the connection, so that the run does not wait for an answer."""
    env = sync_env(reservations=3)
    url = env.database.engine.url
    environment = env.environment()
    with Barrier(env.sandbox, "GET /reservations") as barrier:
        process = start_program(environment, "sync", str(env.account_id))
        barrier.wait()
        env.database.disconnect()
        above = url.set(drivername="postgresql", database="postgres").render_as_string()
        with closing(psycopg.connect(above, autocommit=True)) as connection:
            end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'"
            connection.execute(end.encode())
            gone = f"ALTER DATABASE {url.database} RENAME TO {url.database}_gone"
            gone = f"DROP DATABASE {url.database} WITH (FORCE)" if name == "dropped" else gone
            connection.execute(gone.encode())
            barrier.open.set()
            process.join(PATIENCE)
            back = f"ALTER DATABASE {url.database}_gone RENAME TO {url.database}"
            connection.execute(f"CREATE DATABASE {url.database}".encode() if name == "dropped" else back.encode())
    assert process.exitcode == 1
    said = printed_text(environment)
    assert "Traceback" not in said
