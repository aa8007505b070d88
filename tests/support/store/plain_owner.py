"""A database of a role that is no superuser, empty at first, and the whole life of a mirror in it, as real programs."""

from __future__ import annotations

import base64
import json
import uuid
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa
from tests.support.deliveries import deliver
from tests.support.processes import run_program
from tests.support.sync_env import MASTER_KEY, SyncEnv

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import CLIENT_SECRET, Sandbox
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from contextlib import ExitStack
    from pathlib import Path

    from hostaway_sync.store.embedded import EmbeddedPostgres

KEY = base64.b64encode(MASTER_KEY).decode()


class OwnedDatabase:
    """One such database, with a source to mirror.

    Args:
        plain: leads a superuser there, for libpq.
        owner: the name of its owner.
        url: the database's, for its owner.
        stack: ends what is opened.
        data_dir: of the programs.
    """

    def __init__(self, plain: str, owner: str, url: str, stack: ExitStack, data_dir: Path) -> None:
        self._plain = plain
        self.owner = owner
        self.url = url
        self.database = stack.enter_context(closing(Database(url, schema="hostaway")))
        self.sync_env = SyncEnv(
            stack.enter_context(Sandbox(reservations=6, listings=2, token_delay=0.0)), self.database, data_dir, stack
        )

    def execute_as_admin(self, *statements: str) -> None:
        """Run statements as a superuser, in one session of the server's own settings."""
        with psycopg.connect(self._plain, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def drop_roles(self, *roles: str) -> None:
        """Drop roles, where they are, with all that was given to them."""
        found = {name for (name,) in self.rows("SELECT rolname FROM pg_roles")}
        for role in found.intersection(roles):
            self.execute_as_admin(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """Return the rows of a superuser's query, by the server's own functions."""
        with psycopg.connect(self._plain, autocommit=True) as connection:
            connection.execute("SET search_path TO pg_catalog")
            return connection.execute(question.encode()).fetchall()

    def run(self, *words: str, stdin: str = "", surroundings: dict[str, str] | None = None, **settings: str) -> str:
        """Run the program, which must succeed without a warning; return what it printed."""
        done = self.run_any(*words, stdin=stdin, surroundings=surroundings, **settings)
        assert (done.returncode, done.stderr) == (0, ""), (words, done)
        return done.stdout

    def run_any(
        self, *words: str, stdin: str = "", surroundings: dict[str, str] | None = None, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the program, however it ends."""
        environment = self.sync_env.environment(**{"DATABASE_URL": self.url} | settings) | (surroundings or {})
        done = run_program(environment, *words, stdin=stdin, patience=120)
        assert "Traceback" not in done.stdout + done.stderr, done
        return done

    def use_every_command(self, **how: Any) -> None:
        """Migrate, add an account, sync, work deliveries off, verify, send, and look: every command succeeds.

        Args:
            how: `surroundings` and settings of the programs.
        """
        account = str(self.sync_env.account_id)
        self.run("migrate", **how)
        self.run("account", "add", account, "--secret-stdin", stdin=CLIENT_SECRET, **how)
        (listing, *_), (reservation, *_) = self.sync_env.truth("listings"), self.sync_env.truth("reservations")
        source = self.sync_env.sandbox.account(self.sync_env.account_id)
        source.update_reservation(reservation, guestName="Another")
        self.run("sync", account, **how)
        self.run("sync", account, "--full", **how)
        source.update_reservation(reservation, guestName="One more")
        deliver(self.database, self.sync_env.account_id, Resource.RESERVATIONS, reservation)
        deliver(self.database, self.sync_env.account_id, Resource.LISTINGS, listing)
        self.run("sync-all", "--enqueue", **how)
        self.run("worker", "--drain", **how)
        assert self.rows("SELECT DISTINCT status FROM hostaway.webhook_log") == [("processed",)]
        assert self.sync_env.differences() == {}
        assert json.loads(self.run("verify", account, "--json", **how))["state"] == "equal"
        self.run("send-message", str(reservation), "The key is under the mat", "--yes", **how)
        assert self.rows("SELECT state FROM hostaway.sent_messages") == [("sent",)]
        other_key = base64.b64encode(b"n" * 32).decode()
        self.run("keys", "rotate", **how, MASTER_KEY=f"{other_key} {KEY}")
        self.run("keys", "rotate", **how, MASTER_KEY=f"{KEY} {other_key}")
        assert json.loads(self.run("status", "--json", **how))["accounts"]
        assert json.loads(self.run("account", "list", "--json", **how))
        found = json.loads(self.run_any("doctor", "--json", **how).stdout)
        troubles = [one for one in found["findings"] if one["grade"] == "trouble"]
        assert troubles == []


@contextmanager
def owned_database(
    server: EmbeddedPostgres, database: str, stack: ExitStack, data_dir: Path, rights: str = ""
) -> Iterator[OwnedDatabase]:
    """Return an empty database to an owner made for it, whose role has these rights; both end with the block."""
    owner = f"t{uuid.uuid4().hex[:12]}_owner"
    plain = server.url(database).replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {owner} LOGIN {rights}".encode())
        connection.execute(f"ALTER DATABASE {database} OWNER TO {owner}".encode())
    url = sa.make_url(server.url(database)).set(username=owner).render_as_string(hide_password=False)
    try:
        with stack:
            yield OwnedDatabase(plain, owner, url, stack, data_dir)
    finally:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {database} OWNER TO postgres".encode())
            connection.execute(f"DROP OWNED BY {owner} CASCADE".encode())
            connection.execute(f"DROP ROLE {owner}".encode())
