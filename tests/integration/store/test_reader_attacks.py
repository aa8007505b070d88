"""A role that may log in and read one account does all that PostgreSQL allows: no other role waits for it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.support import sql
from tests.support.deliveries import deliver, drain, refreshing
from tests.support.messages import TEXT, message_case

from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.processes.names import name_this_process
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.grants import READABLE_TABLES
from hostaway_sync.store.secrets import sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.db_roles import DbRoles
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
# Every lock name of this release and of earlier ones, for the accounts of a sandbox.
RIGHTS = (
    *(f"{kind} of account {number}" for kind in ("rows", "messages", "token") for number in (70001, 70002)),
    "the keys that seal",
    "moving this mirror",
    "moving secrets",
    "rewriting of payloads",
    "migrate",
)


class Reader:
    """Sessions of a reader: one for each lock, because a refused lock ends a transaction."""

    def __init__(self, db_roles: DbRoles, stack: ExitStack) -> None:
        role = db_roles.create_login("tenant", db_roles.groups.reader)
        url = db_roles.database.engine.url.set(drivername="postgresql", username=role)
        self._url = url.render_as_string(hide_password=False)
        self._stack = stack

    def session(self) -> psycopg.Connection[Any]:
        """Open a session; it stays open as long as the attack."""
        return self._stack.enter_context(psycopg.connect(self._url, autocommit=True))

    def take_every_name(self, function: str) -> None:
        """Take the advisory lock of each name, with and without the schema, as earlier releases did."""
        session = self.session()
        for right in RIGHTS:
            for name in (f"hostaway: {right}", right):
                session.execute(f"SELECT {function}(hashtextextended(%s, 0))", (name,))
        session.execute(f"SELECT {function}(hashtext('hostaway-sync migrate'))")

    def lock_tables(self, tables: list[str]) -> set[tuple[str, str]]:
        """Lock each table in each mode that is granted, and stay in that transaction; return these locks."""
        taken = set()
        session = self.session()
        session.execute("BEGIN")
        for table in tables:
            for mode in MODES:
                session.execute("SAVEPOINT before")
                try:
                    session.execute(f"LOCK TABLE hostaway.{table} IN {mode} MODE NOWAIT")
                    taken.add((table, mode))
                except psycopg.errors.InsufficientPrivilege:
                    session.execute("ROLLBACK TO before")
        return taken


@contextmanager
def attack(db_roles: DbRoles, function: str) -> Iterator[Reader]:
    """Make a reader hold every lock that it can get while the block runs."""
    with ExitStack() as stack:
        reader = Reader(db_roles, stack)
        reader.take_every_name(function)
        query = "SELECT array_agg(tablename::text) AS names FROM pg_tables WHERE schemaname = 'hostaway'"
        taken = reader.lock_tables(sql.row(db_roles.database, query).names)
        # PostgreSQL grants a role that may read a table the lock of a reading, and no other.
        assert {mode for _, mode in taken} == {"ACCESS SHARE"}
        assert {table for table, _ in taken} == {*READABLE_TABLES, "reader_bindings"} - {"messages"}
        yield reader


@pytest.mark.parametrize("function", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_no_lock_of_a_reader_stops_a_command(sync_env: Build, db_roles: DbRoles, function: str) -> None:
    """With all its locks held: a full sync, a message, a worker, a token, a key rotation, a change, a migration."""
    case = message_case(sync_env)
    env = case.env
    with attack(db_roles, function):
        env.sandbox.revoke_tokens()
        case.mirror.sync.run(env.account_id, full=True)
        case.send()
        assert case.accepted == [TEXT]
        deliver(env.database, env.account_id, object_id=1)
        drain(env.database, refreshing(env.database, lambda _: None))
        assert sql.row(env.database, "SELECT 1 FROM webhook_log WHERE status <> 'processed'") is None
        sealing.reseal_secrets(env.database, KeyRing([b"n" * 32, b"m" * 32]))
        env.database.transaction(sealing.lock_keys_exclusively)
        env.database.transaction(lambda connection: account_owner.lock_rows_exclusively(connection, env.account_id))
        revisions.upgrade_database(env.database)


def test_reader_cannot_pretend_to_be_a_living_process(sync_env: Build, db_roles: DbRoles) -> None:
    """It takes the lock of a dead sender of the last release: the message is given up all the same."""
    case = message_case(sync_env)
    with ExitStack() as stack:
        reader = Reader(db_roles, stack)
        case.send()
        owner = name_this_process().replace("#", "x#")
        sql.execute(
            case.env.database,
            "UPDATE sent_messages SET state = 'sending', proof = NULL, settled_at = NULL, message_id = NULL,"
            f" owner = '{owner}'",
        )
        reader.session().execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"hostaway: sender {owner}",))
        case.mirror.sync.run(case.env.account_id)
        assert case.ledger() != ["sending"]


def test_reader_sees_of_others_what_the_threat_model_says(sync_env: Build, db_roles: DbRoles) -> None:
    """Sessions and locks, but no statement, row or estimate of a table that it may not read."""
    env = message_case(sync_env).env
    with ExitStack() as stack:
        session = Reader(db_roles, stack).session()
        seen = session.execute(
            "SELECT count(*) FILTER (WHERE query <> '<insufficient privilege>'), count(*) FROM pg_stat_activity"
            " WHERE usename <> current_user AND datname = current_database()"
        ).fetchone()
        assert seen is not None
        assert seen[0] == 0
        assert seen[1] > 0
        for table in ("sent_messages", "rights", "webhook_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"EXPLAIN SELECT * FROM hostaway.{table}")
        stats = session.execute("SELECT count(*) FROM pg_stats WHERE schemaname = 'hostaway'").fetchone()
        assert stats == (0,)
    assert env
