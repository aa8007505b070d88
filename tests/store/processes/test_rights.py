"""Claims between processes of this release, between this one and the last, and against roles without rights."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from tests.support import sql
from tests.support.deliveries import eventually

from hostaway_sync.errors import StoreBusy
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.processes import last_release_locks, rights

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa
    from tests.support.db_roles import DbRoles

PATIENCE = 60
RIGHT = "messages of account 1"
# The name that programs of the last release use for it.
OLD = "hostaway: messages of account 1"
CUT = """
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
WAITS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND query LIKE '%rights%'
"""
CLAIMING = """
import sys
from hostaway_sync.store.postgres.database import Database
database = Database(sys.argv[1], schema="hostaway")
with database.claim("a right") as is_ours:
    print(is_ours, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(database_url: str) -> Iterator[Database]:
    """Return the same database as another process has it."""
    with closing(Database(database_url, schema="hostaway")) as database:
        yield database


@pytest.mark.parametrize("shared", [True, False])
def test_new_claim_needs_no_second_connection(database_url: str, *, shared: bool) -> None:
    """As many transactions as the pool has connections want it at once: each gets it in turn."""
    threads = 2
    with closing(Database(database_url, schema="hostaway", pool_size=threads)) as small:
        both_begun = threading.Barrier(threads)

        def have(connection: sa.Connection) -> None:
            both_begun.wait(PATIENCE)
            rights.lock_right(connection, RIGHT, shared=shared)

        with ThreadPoolExecutor(threads) as pool:
            for ended in [pool.submit(small.attempt, have) for _ in range(threads)]:
                ended.result(PATIENCE / 2)


@pytest.mark.parametrize(
    ("first", "second", "waits"), [(False, False, True), (True, False, True), (False, True, True), (True, True, False)]
)
def test_shared_and_exclusive_claims_wait_for_each_other(
    database: Database, other: Database, *, first: bool, second: bool, waits: bool
) -> None:
    """An exclusive claim waits for all others, and they wait for it; shared ones hold it together."""
    had = threading.Event()
    database.transaction(lambda connection: rights.lock_right(connection, RIGHT))

    def have(connection: sa.Connection) -> None:
        rights.lock_right(connection, RIGHT, shared=second)
        had.set()

    with database.engine.begin() as connection:
        rights.lock_right(connection, RIGHT, shared=first)
        thread = threading.Thread(target=other.transaction, args=(have,))
        thread.start()
        if waits:
            eventually(lambda: sql.row(database, WAITS).count, "the second one waits")
            assert not had.is_set()
        else:
            assert had.wait(PATIENCE)
    thread.join(PATIENCE)
    assert had.is_set()


def test_cut_connection_ends_no_claim(database: Database, other: Database) -> None:
    """All connections are cut: it is still held, and is free after its release."""
    with database.claim("a right") as is_ours:
        assert is_ours
        assert sql.row(other, CUT)[0] > 0
        with other.claim("a right") as found:
            assert not found
    with other.claim("a right") as found:
        assert found


def test_claim_that_is_not_renewed_ends(database: Database, other: Database) -> None:
    """Another process may have it then, and the release of the first changes nothing for that one."""
    with ExitStack() as stack:
        assert stack.enter_context(database.claim("a right"))
        # A process of the last release has no row: it has a lock only, which was cut.
        sql.execute(database, "SELECT 1")
        database._held_rights._advisory_locks.release("a right")  # noqa: SLF001  (as when its session was cut)
        sql.execute(other, "UPDATE rights SET expires_at = now() - interval '1 second' WHERE owner IS NOT NULL")
        with other.claim("a right") as found:
            assert found
            stack.close()
            assert sql.row(other, "SELECT count(*) FROM rights WHERE owner IS NOT NULL").count == 1


@pytest.mark.parametrize(("ends_in", "is_expired"), [("-1 s", True), ("0 s", True), ("89 s", False), ("1 day", True)])
def test_claim_lasts_as_long_as_one_renewal(database: Database, ends_in: str, *, is_expired: bool) -> None:
    """An end far ahead comes from a clock that was ahead: it does not count."""
    database.transaction(partial(rights.claim_right, right="a right", owner="elsewhere/1/2#3"))
    sql.execute(database, f"UPDATE rights SET expires_at = now() + interval '{ends_in}' WHERE name = 'a right'")
    claim = database.transaction(partial(rights.read_claim, right="a right"))
    assert claim is not None
    assert claim.has_ended is is_expired


def test_renewal_moves_the_end_of_our_own_claims(database: Database) -> None:
    """And of no others."""
    for owner in ("us", "them"):
        assert database.transaction(partial(rights.claim_right, right=f"right of {owner}", owner=owner))
    sql.execute(database, "UPDATE rights SET expires_at = now() WHERE owner IS NOT NULL")
    claimed = {"right of us": "us", "right of them": "us"}
    database.transaction(partial(rights.renew_claims, claimed=claimed))
    standing = {name: database.transaction(partial(rights.read_claim, right=name)) for name in claimed}
    assert {name: claim is not None and claim.is_expired for name, claim in standing.items()} == {
        "right of us": False,
        "right of them": True,
    }


def test_claims_are_renewed_while_they_are_held(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a block takes, also when the connections are cut repeatedly."""
    monkeypatch.setattr("hostaway_sync.store.processes.held_rights._RENEWALS_PER_LIFETIME", 3000)
    query = "SELECT expires_at FROM rights WHERE name = 'a right'"
    with database.claim("a right"):
        for _ in range(3):
            before = sql.row(other, query).expires_at
            eventually(lambda: sql.row(other, query).expires_at > before, "it is renewed")  # noqa: B023  (called at once)
            sql.execute(other, CUT)
    assert sql.row(other, query) is None


def test_claim_is_released_after_its_connections_were_cut(database: Database, other: Database) -> None:
    """A cut is noticed by the first use alone: the right must not be taken for a minute and a half."""
    with database.claim("a right"):
        sql.execute(database, "SELECT 1")
        sql.execute(other, f"{CUT} AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')")
    assert sql.row(other, "SELECT 1 FROM rights WHERE name = 'a right'") is None


def test_claim_ends_with_its_process(database: Database) -> None:
    """After a kill no process of its host waits."""
    url = database.engine.url.render_as_string(hide_password=False)
    killed = subprocess.Popen([sys.executable, "-c", CLAIMING, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert killed.stdout is not None
    assert killed.stdout.readline() == b"True\n"
    with database.claim("a right") as found:
        assert not found
    killed.kill()
    killed.communicate(timeout=PATIENCE)

    def is_free() -> bool:
        with database.claim("a right") as found:
            return found

    assert eventually(is_free, "it is free")


def connect(database: Database, role: str) -> psycopg.Connection[Any]:
    """Open a session of a role that does not belong to the program."""
    url = database.engine.url.set(drivername="postgresql", username=role)
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


def lock(connection: psycopg.Connection[Any], name: str, *, function: str = "pg_advisory_lock") -> object:
    """Take an advisory lock, as the last release did, until the session ends."""
    row = connection.execute(f"SELECT {function}(hashtextextended(%s, 0))", (name,)).fetchone()
    return row and row[0]


@pytest.mark.parametrize("shared", [False, True])
def test_last_release_excludes_this_one(
    database: Database, db_roles: DbRoles, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    """This one waits for the lock; at the end of the wait a sentence says who has it, and what to do."""
    monkeypatch.setattr(last_release_locks, "PATIENCE_S", 0.3)
    writer = db_roles.create_login("sync", db_roles.groups.writer)
    hold = partial(rights.lock_right, right=RIGHT, shared=shared)
    with connect(database, writer) as old:
        lock(old, OLD)
        with pytest.raises(StoreBusy) as caught:
            database.transaction(hold)
        assert f"session {old.info.backend_pid} of role '{writer}'" in str(caught.value)
        assert f"pg_terminate_backend({old.info.backend_pid})" in str(caught.value)
        with database.claim(RIGHT) as is_ours:
            assert not is_ours
    eventually(
        lambda: sql.row(database, f"SELECT 1 FROM pg_stat_activity WHERE usename = '{writer}'") is None, "it ended"
    )
    database.transaction(hold)


def test_claim_waits_until_the_last_release_is_done(database: Database, db_roles: DbRoles) -> None:
    """Until it releases the lock."""
    had = threading.Event()

    def have(connection: sa.Connection) -> None:
        rights.lock_right(connection, RIGHT)
        had.set()

    with connect(database, db_roles.create_login("sync", db_roles.groups.writer)) as old:
        lock(old, OLD)
        thread = threading.Thread(target=database.transaction, args=(have,))
        thread.start()
        asking = "query ~ 'pg_try_advisory_xact_lock' AND pid <> pg_backend_pid()"
        eventually(lambda: sql.row(database, f"SELECT 1 FROM pg_stat_activity WHERE {asking}"), "it asks")
        assert not had.is_set()
    thread.join(PATIENCE)
    assert had.is_set()


def test_this_release_excludes_the_last_one(database: Database, db_roles: DbRoles) -> None:
    """Whatever this one holds, a program of the last one does not get its lock."""
    with connect(database, db_roles.create_login("sync", db_roles.groups.writer)) as old:
        tried = partial(lock, old, OLD, function="pg_try_advisory_lock")
        shared = partial(lock, old, OLD, function="pg_try_advisory_lock_shared")
        with database.engine.begin() as connection:
            rights.lock_right(connection, RIGHT)
            assert (tried(), shared()) == (False, False)
        with database.engine.begin() as connection:
            rights.lock_right(connection, RIGHT, shared=True)
            assert (tried(), shared()) == (False, True)
            lock(old, OLD, function="pg_advisory_unlock_shared")
        with database.claim(RIGHT):
            assert (tried(), shared()) == (False, False)
        assert tried()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("held", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_lock_of_a_reader_excludes_no_program(
    database: Database, db_roles: DbRoles, caplog: pytest.LogCaptureFixture, held: str, *, shared: bool
) -> None:
    """A role that may not write has the lock: no program waits, and one warning names its session."""
    reader = db_roles.create_login("tenant", db_roles.groups.reader)
    with connect(database, reader) as intruder, caplog.at_level(logging.WARNING):
        lock(intruder, OLD, function=held)
        for _ in range(2):
            database.transaction(partial(rights.lock_right, right=RIGHT, shared=shared))
            with database.claim(RIGHT) as is_ours:
                assert is_ours
        pid = intruder.info.backend_pid
    told = [record.message for record in caplog.records if str(pid) in record.message]
    assert len(told) == 1
    assert f"session {pid} of role '{reader}'" in told[0]
    assert f"pg_terminate_backend({pid})" in told[0]


def test_reader_that_waits_for_a_lock_is_ignored(database: Database, db_roles: DbRoles) -> None:
    """It is in the queue of the lock: shared holders pass it."""
    reader = db_roles.create_login("tenant", db_roles.groups.reader)
    database.transaction(partial(rights.lock_right, right=RIGHT))
    with connect(database, reader) as intruder, database.engine.begin() as first:
        rights.lock_right(first, RIGHT, shared=True)
        thread = threading.Thread(target=lock, args=(intruder, OLD))
        thread.start()
        query = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: sql.row(database, query), "it waits")
        database.transaction(partial(rights.lock_right, right=RIGHT, shared=True))
        first.rollback()
        thread.join(PATIENCE)
        database.transaction(partial(rights.lock_right, right=RIGHT))


def test_role_counts_with_the_rights_of_set_role(database: Database, db_roles: DbRoles) -> None:
    """A program that logs in as a role without rights, and sets the writer's role, is one of ours."""
    db_roles.execute(f"CREATE ROLE {db_roles.prefix}_app LOGIN NOINHERIT")
    role = f"{db_roles.prefix}_app"
    db_roles.made.append(role)
    db_roles.execute(f"GRANT {db_roles.groups.writer} TO {role}")
    with connect(database, role) as old:
        lock(old, OLD)
        with database.claim(RIGHT) as is_ours:
            assert not is_ours


LOCKING = ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"]


@pytest.mark.parametrize("how", LOCKING)
def test_no_reader_locks_a_claim(database: Database, db_roles: DbRoles, how: str) -> None:
    """Neither rows of claims, nor rows of any table that it may read."""
    database.transaction(partial(rights.lock_right, right=RIGHT))
    for group in (db_roles.groups.reader, db_roles.groups.analyst):
        role = db_roles.create_login(how.replace(" ", "_").lower() + group[-7:], group)
        with connect(database, role) as reader:
            for table in ("rights", "accounts", "listings", "sync_runs", "watermarks", "reader_bindings", "leases"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(f"SELECT 1 FROM hostaway.{table} {how}")
