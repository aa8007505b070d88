from __future__ import annotations

import signal
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.db_roles import DbRoles
from tests.support.deliveries import eventually
from tests.support.programs.forked import start_beside
from tests.support.sync_env import mirrored_env

from hostaway_sync.store.database_move import copy_rows
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

# A restored database has its own: its identity, what runs on it, where the positions of changes begin.
WORDS = "never shown"
OWN = {"database_identity", "rights", "change_clock", "setting_names"}


@pytest.fixture
def elsewhere(empty_database_url: str) -> Iterator[Database]:
    """Return an empty database beside that of the test."""
    with closing(Database(empty_database_url, schema="hostaway", application="tests")) as database:
        yield database


def test_restored_dump_has_every_row(sync_env: Build, program: Program, elsewhere: Database, tmp_path: Path) -> None:
    """Every table is equal by its checksum, groups of roles have their rights, and the next sync goes on."""
    env = mirrored_env(sync_env)
    roles = DbRoles(env.database)
    roles.create_groups()
    try:
        _check_round_trip(env, program, elsewhere, tmp_path, roles)
    finally:
        for role in (*roles.groups.names, roles.api, *roles.made):
            _of(roles, elsewhere).execute(f"DROP OWNED BY {role} CASCADE")
        roles.drop_all()


def _check_round_trip(env: SyncEnv, program: Program, elsewhere: Database, tmp_path: Path, roles: DbRoles) -> None:
    file = tmp_path / "mirror.dump"
    before = _contents(env.database)
    done = program(env, "database", "dump", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".mirror*")) == []
    refused = program(env, "database", "restore", str(file))
    assert refused.returncode == 1
    assert "this database has rows already, in hostaway." in refused.stderr

    there = {"DATABASE_URL": elsewhere.engine.url.render_as_string(hide_password=False)}
    restored = program(env, "database", "restore", str(file), **there)
    assert restored.returncode == 0, restored.stderr
    assert f"the groups {', '.join(roles.groups.names)} have their rights" in restored.stderr
    assert _contents(elsewhere) == before
    assert sql.rows(elsewhere, "SELECT count(*) FROM accounts WHERE client_secret IS NOT NULL") == [(1,)]
    reader = roles.create_login("one", roles.groups.reader)
    moved = _of(roles, elsewhere)
    moved.roles.bind(reader, [env.account_id], [])
    assert moved.rows(reader, "SELECT count(*) FROM reservations") == [(len(env.truth("reservations")),)]
    assert program(env, "keys", "check", **there).returncode == 0
    assert program(env, "sync", str(env.account_id), **there).returncode == 0
    assert env.differences() == {}
    again = program(env, "database", "restore", str(file), **there)
    assert (again.returncode, "this database has rows already" in again.stderr) == (1, True)


def test_dump_replaces_no_file_unless_told(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """A file that exists stays, a directory and a device are no file, and an error leaves nothing behind."""
    env = sync_env()
    file = tmp_path / "mirror.dump"
    file.write_text("precious", encoding="utf-8")
    refused = program(env, "database", "dump", str(file))
    assert (refused.returncode, file.read_text(encoding="utf-8")) == (2, "precious")
    assert "mirror.dump exists: name another file, or use --force" in refused.stderr
    assert program(env, "database", "dump", str(file), "--force").returncode == 0
    assert file.read_bytes()[:5] == b"PGDMP"
    for other in (tmp_path, "/dev/null"):
        done = program(env, "database", "dump", str(other), "--force")
        assert (done.returncode, "is not a file" in done.stderr) == (2, True), done.stderr
    empty = program(env, "database", "dump", str(tmp_path / "no" / "x"))
    assert (empty.returncode, "No such file or directory" in empty.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir() if path.name != "printed_text"] == ["mirror.dump"]


def test_killed_dump_leaves_no_file(sync_env: Build, program: Program, tmp_path: Path) -> None:
    """SIGKILL and Ctrl-C while pg_dump waits: there is no file of that name, and the next dump is whole."""
    env = sync_env()
    file = tmp_path / "mirror.dump"
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%dump' AND wait_event_type = 'Lock'"
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        with env.database.engine.begin() as locking:
            locking.execute(sa.text("LOCK TABLE hostaway.tasks IN ACCESS EXCLUSIVE MODE"))
            with _started(env, "database", "dump", str(file)) as process:
                eventually(lambda: sql.rows(env.database, waiting) == [(1,)], "pg_dump waits for the table")
                process.send_signal(number)
                assert process.wait(30) == code
            if number == signal.SIGKILL:
                # pg_dump has outlived us, and still has the hidden file.
                second = program(env, "database", "dump", str(file))
                assert (second.returncode, "another process is writing" in second.stderr) == (2, True)
        assert not file.exists()
        eventually(lambda: sql.rows(env.database, waiting) == [(0,)], "pg_dump ends")
    eventually(lambda: program(env, "database", "dump", str(file), "--force").returncode == 0, "the file is free")
    assert file.read_bytes()[:5] == b"PGDMP"


def test_what_is_no_whole_dump_changes_nothing(
    sync_env: Build, program: Program, elsewhere: Database, tmp_path: Path
) -> None:
    """A torn file, another file, a dump of a newer release, another program: one sentence, and nothing changes."""
    env = mirrored_env(sync_env)
    file, torn, other = tmp_path / "mirror.dump", tmp_path / "torn", tmp_path / "other"
    there = {"DATABASE_URL": elsewhere.engine.url.render_as_string(hide_password=False)}
    assert program(env, "database", "dump", str(file)).returncode == 0
    whole = file.read_bytes()
    torn.write_bytes(whole[: len(whole) * 3 // 4])
    (tmp_path / "last").write_bytes(whole[:-200])
    other.write_text("no dump\n", encoding="utf-8")
    for path, code, sentence in (
        (torn, 1, "pg_restore failed: could not read from input file"),
        (tmp_path / "last", 1, "pg_restore failed: could not read from input file"),
        (other, 1, "input file does not appear to be a valid archive"),
        (tmp_path / "missing", 1, "No such file or directory"),
    ):
        done = program(env, "database", "restore", str(path), **there)
        assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
        assert sentence in done.stderr
        assert sql.rows(elsewhere, "SELECT count(*) FROM pg_namespace WHERE nspname = 'hostaway'") == [(0,)]
    sql.execute(env.database, "UPDATE alembic_version SET version_num = '9999'")
    assert program(env, "database", "dump", str(file), "--force").returncode == 0
    newer = program(env, "database", "restore", str(file), **there)
    assert (newer.returncode, "at revision 9999, newer than this program's" in newer.stderr) == (78, True)
    sql.execute(elsewhere, "CREATE SCHEMA hostaway")
    sql.execute(elsewhere, "CREATE TABLE hostaway.accounts (foreign_to_us int)")
    file.write_bytes(whole)
    strange = program(env, "database", "restore", str(file), **there)
    assert (strange.returncode, "in use by another program" in strange.stderr) == (78, True)


def test_killed_restore_leaves_the_database_empty(
    sync_env: Build, program: Program, elsewhere: Database, tmp_path: Path
) -> None:
    """SIGKILL in the middle undoes all of it, tables that were there without rows stay, and the next one is whole."""
    env = mirrored_env(sync_env)
    file = tmp_path / "mirror.dump"
    assert program(env, "database", "dump", str(file)).returncode == 0
    there = {"DATABASE_URL": elsewhere.engine.url.render_as_string(hide_password=False)}
    assert program(env, "migrate", **there).returncode == 0
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%restore' AND wait_event_type = 'Lock'"
    with elsewhere.engine.begin() as locking:
        locking.execute(sa.text("LOCK TABLE hostaway.tasks IN ACCESS SHARE MODE"))
        with _started(env, "database", "restore", str(file), **there) as process:
            eventually(lambda: sql.rows(env.database, busy) == [(1,)], "the restore waits for the table")
            process.kill()
            process.wait(30)
    eventually(lambda: sql.rows(env.database, busy) == [(0,)], "psql ends")
    assert sql.rows(elsewhere, "SELECT count(*) FROM accounts") == [(0,)]
    assert program(env, "database", "restore", str(file), **there).returncode == 0
    assert _contents(elsewhere) == _contents(env.database)


def test_shell_reads_and_writes_only_when_told(sync_env: Build, program: Program) -> None:
    """Psql begins in the mirror's schema; its words hold no password, and its environment none of our secrets."""
    env = sync_env()
    url = env.database.engine.url.set(password=WORDS).render_as_string(hide_password=False)
    asked = program(env, "database", "shell", stdin="SELECT 'found', account_id FROM accounts;", DATABASE_URL=url)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert f"found    |      {env.account_id}" in asked.stdout
    write = "UPDATE accounts SET name = 'written';\n"
    refused = program(env, "database", "shell", stdin="\\set ON_ERROR_STOP on\n" + write)
    assert (refused.returncode, "read-only transaction" in refused.stderr) == (1, True)
    words = "\\! tr '\\0' ' ' < /proc/$PPID/cmdline; env\n"
    seen = program(env, "database", "shell", "--write", stdin=words + write, DATABASE_URL=url)
    assert seen.returncode == 0
    assert WORDS not in seen.stdout.splitlines()[0]
    assert "HOSTAWAY_SYNC_" not in seen.stdout
    assert sql.rows(env.database, "SELECT name FROM accounts") == [("written",)]


def _contents(database: Database) -> dict[str, Any]:
    def read(connection: sa.Connection) -> dict[str, Any]:
        tables = copy_rows.list_tables(connection, "hostaway")
        return {one.name: copy_rows.read_content(connection, "hostaway", one) for one in tables if one.name not in OWN}

    return database.transaction(read)


def _of(roles: DbRoles, database: Database) -> DbRoles:
    """Return the same roles, in another database of the server."""
    other = DbRoles(database)
    other.prefix, other.groups, other.made = roles.prefix, roles.groups, roles.made
    return other


def _started(env: SyncEnv, *words: str, **settings: str) -> subprocess.Popen[str]:
    return start_beside(env.environment(**settings), *words)
