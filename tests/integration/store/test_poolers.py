"""A real PgBouncer before the database: it keeps sessions together, or every program refuses to use it."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from tests.support.servers.pgbouncer import needs_pgbouncer, pgbouncer
from tests.support.store.plain_owner import OwnedDatabase, owned_database

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.sandbox import CLIENT_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostaway_sync.store.embedded import EmbeddedPostgres

pytestmark = needs_pgbouncer
# Settings that PgBouncer itself keeps for each client.
TRACKED = {"application_name", "client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings"}
# Sessions that wait for clients, and go to any of them.
WARM = {"default_pool_size": "8", "min_pool_size": "4"}
LEFT = "SELECT name FROM pg_settings WHERE source = 'session'"


@pytest.fixture
def owned(server: EmbeddedPostgres, empty_database_url: str, tmp_path: Path) -> Iterator[OwnedDatabase]:
    """Return a database whose owner is no superuser."""
    name = sa.make_url(empty_database_url).database
    assert name
    with ExitStack() as stack, owned_database(server, name, stack, tmp_path) as made:
        yield made


def raw(url: str) -> psycopg.Connection[tuple[str, ...]]:
    """Open a connection without any of our settings, as another application does."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True, prepare_threshold=None)


@pytest.mark.parametrize(
    "options",
    [pytest.param({}, id="usual", marks=pytest.mark.soak), pytest.param(WARM, id="warm")],
)
def test_everything_works_with_session_pooling(
    owned: OwnedDatabase, server: EmbeddedPostgres, options: dict[str, str]
) -> None:
    """Session pooling is like no pooler at all."""
    with pgbouncer(server, owned.url, {"pool_mode": "session"} | options) as url:
        owned.use_every_command(DATABASE_URL=url)


def test_one_pooled_session_is_enough(migrated_owned: OwnedDatabase, server: EmbeddedPostgres) -> None:
    """A pool without a free session for the check does not count as one that mixes sessions."""
    with pgbouncer(server, migrated_owned.url, {"pool_mode": "session", "default_pool_size": "1"}) as url:
        assert migrated_owned.run("account", "list", "--json", DATABASE_URL=url).strip() == "[]"


@pytest.mark.parametrize("options", ["-c%20jit%3Doff", "--jit%3Doff", "off"])
def test_unsupported_startup_options_are_a_configuration_error(
    migrated_owned: OwnedDatabase, server: EmbeddedPostgres, options: str
) -> None:
    """Exit 78 and what to do: a retry would change nothing."""
    with pgbouncer(server, migrated_owned.url, {"pool_mode": "session"}) as url:
        joined = f"{url}{'&' if '?' in url else '?'}options={options}"
        done = migrated_owned.run_any("account", "list", DATABASE_URL=joined)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert "HOSTAWAY_SYNC_DATABASE_URL cannot be used: " in done.stderr
    assert "`ignore_startup_parameters`" in done.stderr


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize(
    "options",
    [{}, {"server_round_robin": "1"}, {"default_pool_size": "1"}, {"min_pool_size": "5", "server_round_robin": "1"}],
    ids=["usual", "in-turns", "one", "warm-in-turns"],
)
def test_pooler_that_mixes_sessions_is_refused(
    migrated_owned: OwnedDatabase, server: EmbeddedPostgres, mode: str, options: dict[str, str]
) -> None:
    """Every command ends with 78 and says what to do; no later client gets a setting of ours."""
    with pgbouncer(server, migrated_owned.url, {"pool_mode": mode} | options) as url:
        for words in (
            ("migrate",),
            ("account", "add", "70001", "--secret-stdin"),
            ("sync", "70001"),
            ("worker", "--drain"),
            ("status", "--json"),
        ):
            done = migrated_owned.run_any(*words, stdin=CLIENT_SECRET, DATABASE_URL=url)
            assert (done.returncode, done.stdout) == (78, ""), (words, done)
            assert done.stderr.count("\n") == 1
            assert "session pooling" in done.stderr
            assert "connect directly" in done.stderr
        with ExitStack() as stack:
            for other in [stack.enter_context(raw(url)) for _ in range(5)]:
                assert {name for (name,) in other.execute(LEFT)} <= TRACKED
        examined = migrated_owned.run_any("doctor", "--json", DATABASE_URL=url)
        assert "session pooling" in examined.stdout


def test_move_to_a_pooler_that_mixes_sessions_is_refused(
    migrated_owned: OwnedDatabase, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The sentence names the URL of the target, and nothing was moved."""
    with pgbouncer(server, migrated_owned.url, {"pool_mode": "transaction"}) as url:
        target = tmp_path / "target"
        target.write_text(url, encoding="ascii")
        target.chmod(0o600)
        for options in ((), ("--dry-run",)):
            done = migrated_owned.run_any("database", "move", "--to", str(target), *options)
            assert done.returncode == 78, done
            assert done.stderr.count("\n") == 1
            assert "the URL of --to leads to a pooler" in done.stderr
    migrated_owned.run("account", "list")


def test_pooler_that_starts_to_mix_sessions_is_refused(migrated_owned: OwnedDatabase) -> None:
    """Statements that another session prepared, or that this session never prepared, give the same sentence."""
    for statement in ("EXECUTE nothing", "PREPARE twice AS SELECT 1"):

        def work(connection: sa.Connection, statement: str = statement) -> None:
            for _ in range(2):
                connection.exec_driver_sql(statement)

        with pytest.raises(ConfigurationError, match="session pooling"):
            migrated_owned.database.attempt(work)


def test_busy_pooler_that_mixes_sessions_is_refused(migrated_owned: OwnedDatabase, server: EmbeddedPostgres) -> None:
    """Queries of other clients during the check hide nothing."""
    stop = threading.Event()

    def work(url: str) -> None:
        with raw(url) as connection:
            while not stop.is_set():
                connection.execute("SELECT count(*) FROM pg_class")

    with pgbouncer(server, migrated_owned.url, {"pool_mode": "transaction", "default_pool_size": "3"}) as url:
        others = [threading.Thread(target=work, args=(url,), daemon=True) for _ in range(4)]
        for other in others:
            other.start()
        try:
            for _ in range(5):
                assert migrated_owned.run_any("account", "list", DATABASE_URL=url).returncode == 78
        finally:
            stop.set()
            for other in others:
                other.join()


def test_pooler_of_several_processes_is_refused(migrated_owned: OwnedDatabase, server: EmbeddedPostgres) -> None:
    """Each process has a pool of its own, and a client reaches any of them."""
    with pgbouncer(server, migrated_owned.url, {"pool_mode": "transaction"}, processes=2) as url:
        for _ in range(5):
            done = migrated_owned.run_any("account", "list", DATABASE_URL=f"{url}&load_balance_hosts=random")
            assert done.returncode == 78
