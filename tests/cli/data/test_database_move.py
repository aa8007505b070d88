from __future__ import annotations

import json
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from tests.support import sql
from tests.support.barrier import PATIENCE
from tests.support.calendars import ahead, calendar_requests
from tests.support.deliveries import ONE_RETRY, deliver
from tests.support.messages import message_case
from tests.support.processes import start_program

from hostaway_sync.errors import LeaseHeld, StoreError
from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.store.change_positions import STEP
from hostaway_sync.store.database_move.relocate import move_database
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.runs import leases
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.move_mark import SENTENCES
from hostaway_sync.sync.verify.certificate import Equality

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from tests.support.db_roles import DbRoles
    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

    Build = Callable[..., SyncEnv]

WORKER = "hostaway-sync worker"
CALENDAR_TABLES = ("calendar_days", "calendar_readings", "calendar_due")
# Copied rows wait at this table until the test releases its lock.
_GATE = """
CREATE FUNCTION public.gate() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN true; END $$;
ALTER TABLE hostaway.conversation_messages ADD CONSTRAINT gate CHECK (public.gate());
"""
_WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'hostaway-sync database'
"""
_STRANGER = "INSERT INTO hostaway.accounts (account_id, client_secret) VALUES (1, '')"


class Elsewhere:
    """The database to move to, and the file that holds its URL."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.file = directory / "new-url"
        self.file.write_text(url + "\n", encoding="utf-8")
        self.file.chmod(0o600)
        self.words: tuple[str, ...] = ("database", "move", "--to", str(self.file))
        self.engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")

    def rows(self, query: str) -> list[Any]:
        """Return the rows of a query of one column."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query)).scalars())

    def revision(self) -> str:
        """Return the first word of the revision that the database holds."""
        return str(self.rows("SELECT version_num FROM hostaway.alembic_version")[0]).split()[0]


@pytest.fixture
def elsewhere(empty_database_url: str, tmp_path: Path) -> Iterator[Elsewhere]:
    """Return an empty database beside that of the test."""
    there = Elsewhere(empty_database_url, tmp_path)
    yield there
    there.engine.dispose()


def test_move_takes_everything_and_the_next_sync_continues(
    sync_env: Build, elsewhere: Elsewhere, program: Program
) -> None:
    """Mirror, secrets, queue, dead letters and ledger arrive; the next sync needs no extra requests."""
    env, usual = _lived_in(sync_env)
    done = _moved(env, elsewhere, program, "--json")
    assert f"HOSTAWAY_SYNC_DATABASE_URL_FILE={elsewhere.file} " in done.stderr
    rows = {table["name"]: table["rows"] for table in json.loads(done.stdout)["tables"]}
    assert rows["reservations"] == len(env.truth("reservations"))
    wanted = {"procrastinate_jobs": 1, "dead_letters": 1, "webhook_log": 2, "sent_messages": 1}
    assert {name: rows[name] for name in wanted} == wanted
    assert rows["procrastinate_events"] == sql.rows(env.database, "SELECT count(*) FROM procrastinate_events")[0][0]
    assert elsewhere.revision() == revisions.head_revision()
    assert elsewhere.rows("SELECT position_offset FROM hostaway.change_clock") == [STEP]

    mirror = env.mirror(database_url=elsewhere.url)
    assert mirror.secrets.check().passed.troubles == ()
    report = mirror.sync.run(env.account_id)
    assert (report.state, report.mode, report.api_calls) == (RunState.SUCCESS, Mode.INCREMENTAL, usual)
    assert mirror.sync.verify(env.account_id).state is Equality.EQUAL
    [letter] = mirror.jobs.list_dead_letters()
    mirror.jobs.retry_dead_letter(letter.dead_letter_id)
    with mirror.jobs.start_worker(drain=True) as worker:
        worker.wait()
    assert elsewhere.rows("SELECT DISTINCT status FROM hostaway.webhook_log") == ["processed"]
    assert elsewhere.rows("SELECT count(*) FROM hostaway.procrastinate_jobs") == [0]
    for table, column in (("dead_letters", "dead_letter_id"), ("sent_messages", "intent_id")):
        sequence = f"pg_get_serial_sequence('hostaway.{table}', '{column}')::regclass"
        assert elsewhere.rows(f"SELECT nextval({sequence}) > max({column}) FROM hostaway.{table}") == [True]


def test_calendars_move_with_everything_else(sync_env: Build, elsewhere: Elsewhere, program: Program) -> None:
    """Days, readings and marks are the same rows; the next sync reads the marked days and no whole calendar."""
    env = sync_env(listings=2, reservations=4)
    running = env.mirrored(calendar_days=60)
    listing = min(env.truth("listings"))
    env.sandbox.world.create_reservation(
        listingMapId=listing, arrivalDate=ahead(10).isoformat(), departureDate=ahead(13).isoformat()
    )
    running.sync.run(env.account_id, resources=(Resource.RESERVATIONS,))
    running.close()
    queries = [f"SELECT t::text FROM hostaway.{name} AS t ORDER BY 1" for name in CALENDAR_TABLES]
    before = [[text for (text,) in sql.rows(env.database, query)] for query in queries]
    assert [len(rows) for rows in before] == [2 * 62, 2, 1]
    _moved(env, elsewhere, program)
    assert [elsewhere.rows(query) for query in queries] == before
    env.sandbox.forget()
    mirror = env.mirror(database_url=elsewhere.url, calendar_days=60)
    assert mirror.sync.run(env.account_id).state is RunState.SUCCESS
    assert calendar_requests(env) == [(listing, 8)]
    assert mirror.sync.verify(env.account_id, calendar=True).state is Equality.EQUAL


def test_moved_database_refuses_all_processes(sync_env: Build, elsewhere: Elsewhere, program: Program) -> None:
    """New programs print one sentence, running ones cannot write, and a second move has nothing to do."""
    env = sync_env()
    running = _synced(env)
    _moved(env, elsewhere, program)
    for words in (["sync-all"], ["status"], ["migrate"], elsewhere.words):
        refused = program(env, *words)
        assert (refused.returncode, refused.stderr) == (78, f"hostaway-sync: {SENTENCES['moved']}\n")
    assert "this mirror was moved to another database" in program(env, "doctor").stdout
    with pytest.raises(StoreError, match="moved to another database: set HOSTAWAY_SYNC_DATABASE_URL"):
        running.sync.run(env.account_id)
    with pytest.raises(StoreError, match="moved to another database"):
        deliver(env.database, env.account_id)


@pytest.mark.parametrize("moment", ["while it copies", "when all is copied", "when all is done but for a word"])
def test_killed_move_can_be_repeated(sync_env: Build, elsewhere: Elsewhere, program: Program, moment: str) -> None:
    """After SIGKILL before the last step the old mirror works, and a second move completes."""
    env = sync_env()
    _synced(env)
    with _standing_still(env, elsewhere, moment) as process:
        process.kill()
        process.join(PATIENCE)
    assert elsewhere.revision() == "moving"
    refused = program(env, "status", DATABASE_URL=elsewhere.url)
    assert (refused.returncode, refused.stderr) == (78, f"hostaway-sync: {SENTENCES['moving']}\n")
    if moment == "when all is done but for a word":
        assert program(env, "sync-all").returncode == 78
    else:
        assert program(env, "sync", str(env.account_id)).returncode == 0
    _moved(env, elsewhere, program)
    assert elsewhere.revision() == revisions.head_revision()
    assert env.mirror(database_url=elsewhere.url).sync.verify(env.account_id).state is Equality.EQUAL


def test_dry_run_of_a_move_counts_and_changes_nothing(sync_env: Build, elsewhere: Elsewhere, program: Program) -> None:
    """It prints what a move would copy; the URL may come from stdin or from a file."""
    env = sync_env()
    _synced(env)
    words = ("database", "move", "--to", "-", "--dry-run")
    shown = program(env, *words, stdin=elsewhere.url)
    assert shown.returncode == 0, shown.stderr
    rows = dict(line.split() for line in shown.stdout.splitlines())
    assert rows["reservations"] == str(len(env.truth("reservations")))
    assert elsewhere.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'hostaway'") == [0]
    assert sql.rows(env.database, "SELECT version_num FROM alembic_version") == [(revisions.head_revision(),)]


def test_move_refuses_a_wrong_target_or_source(sync_env: Build, elsewhere: Elsewhere, program: Program) -> None:
    """A target with rows, itself, a password in the command, an open file, a running process: one sentence each."""
    env = sync_env()
    itself = env.environment()["HOSTAWAY_SYNC_DATABASE_URL"]

    def refused(code: int, *words: str, stdin: str = "") -> str:
        done = program(env, "database", "move", "--to", *words, stdin=stdin)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
        return done.stderr

    assert "other processes work on this database: hostaway-sync (this host)" in refused(75, str(elsewhere.file))
    env.database.engine.dispose()
    assert "this very database" in refused(2, "-", stdin=itself)
    assert "no URL" in refused(2, "-", stdin="hunter2")
    assert "a password in a command" in refused(2, "postgresql://me:hunter2@127.0.0.1/new")
    assert "a password in a command" in refused(2, "postgresql://127.0.0.1/new?user=me&password=hunter2")
    assert "the URL of --to names" in refused(78, "mysql://127.0.0.1/new")
    assert "the database to move to: " in refused(1, "-", stdin=elsewhere.url.replace("/test_", "/nowhere_"))
    elsewhere.file.chmod(0o644)
    assert "readable by no other user" in refused(2, str(elsewhere.file))
    elsewhere.file.chmod(0o600)

    _upgraded(elsewhere, _STRANGER)
    assert "its table hostaway.accounts has rows" in refused(1, str(elsewhere.file))
    assert sql.rows(env.database, "SELECT version_num FROM alembic_version") == [(revisions.head_revision(),)]


def test_move_is_refused_while_other_processes_work(sync_env: Build, elsewhere: Elsewhere) -> None:
    """A running run, a connected program and another move: the sentence names the one at work."""
    env = sync_env()
    url = SecretStr(elsewhere.url)
    mirror = env.mirror()
    lease = leases.acquire_lease(env.database, env.account_id, "elsewhere/17/99#00")
    with pytest.raises(LeaseHeld, match=f"account {env.account_id} is being synced by elsewhere: stop all processes"):
        mirror.database.move(url)
    leases.release_lease(env.database, lease)
    other = Database(env.environment()["HOSTAWAY_SYNC_DATABASE_URL"], schema="hostaway", application=WORKER)
    with closing(other), other.engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        with pytest.raises(LeaseHeld, match=f"other processes work on this database: {WORKER} \\(this host\\); stop"):
            mirror.database.move(url)
    with env.database.claim("moving this mirror"), pytest.raises(LeaseHeld, match="another `hostaway-sync database"):
        mirror.database.move(url)


def test_writer_role_may_not_move_the_database(db_roles: DbRoles, elsewhere: Elsewhere) -> None:
    """Only the owner of the tables can read all of them and close them."""
    there = Database(elsewhere.url, schema="hostaway")
    role = db_roles.create_login("clerk", db_roles.groups.writer)
    refused = pytest.raises(StoreError, match="only the owner of its tables may move a mirror")
    with closing(there), db_roles.as_role(role) as writer, refused:
        move_database(writer, there, lambda _, __: None)


def _lived_in(sync_env: Build) -> tuple[SyncEnv, int]:
    """Mirror a sandbox after many kinds of change; return also how many calls its next sync takes."""
    case = message_case(sync_env, switches=Switches(single_extra_keys=False))
    env, mirror = case.env, case.mirror
    case.send()
    env.sandbox.faults.add(faults.status(400, b"{}"), route="GET /reservations/{id}")
    deliver(env.database, env.account_id, object_id=case.reservation_id)
    with mirror.jobs.start_worker(drain=True, policy=ONE_RETRY) as worker:
        worker.wait()
    deliver(env.database, env.account_id, object_id=case.reservation_id)
    mirror.sync.run(env.account_id, full=True)
    usual = mirror.sync.run(env.account_id).api_calls
    mirror.close()
    return env, usual


def _synced(env: SyncEnv) -> Mirror:
    """Mirror a sandbox; return a mirror that is open and has no connection yet."""
    mirror = env.mirror()
    mirror.sync.run(env.account_id)
    mirror._container.database.engine.dispose()  # noqa: SLF001  (what a quiet minute does to a pool)
    return mirror


def _moved(env: SyncEnv, elsewhere: Elsewhere, program: Program, *options: str) -> subprocess.CompletedProcess[str]:
    env.database.engine.dispose()
    done = program(env, *elsewhere.words, *options)
    assert done.returncode == 0, done.stderr
    return done


@contextmanager
def _standing_still(env: SyncEnv, elsewhere: Elsewhere, moment: str) -> Iterator[BaseProcess]:
    """Start a move, and run the block while the move waits at this moment."""
    url = env.environment()["HOSTAWAY_SYNC_DATABASE_URL"]
    home = sa.create_engine(url, poolclass=sa.NullPool)
    env.database.engine.dispose()
    with ExitStack() as stack:
        if moment == "while it copies":
            _upgraded(elsewhere)
            gate = stack.enter_context(elsewhere.engine.connect())
            gate.execute(sa.text(_GATE))
            gate.execute(sa.text("SELECT pg_advisory_lock(4711)"))
        else:
            before = stack.enter_context(home.connect())
            before.execute(sa.text("SELECT FROM hostaway.alembic_version FOR UPDATE"))
        process = start_program(env.environment(), *elsewhere.words)
        _wait_for(process, elsewhere.engine if moment == "while it copies" else home)
        if moment == "when all is done but for a word":
            last = stack.enter_context(sa.create_engine(elsewhere.url, poolclass=sa.NullPool).connect())
            last.execute(sa.text("SELECT FROM hostaway.alembic_version FOR UPDATE"))
            before.rollback()
            _wait_for(process, elsewhere.engine)
        yield process
    if moment == "while it copies":
        with elsewhere.engine.connect() as connection:
            connection.execute(sa.text("ALTER TABLE hostaway.conversation_messages DROP CONSTRAINT gate"))


def _upgraded(elsewhere: Elsewhere, *statements: str) -> None:
    there = Database(elsewhere.url, schema="hostaway")
    with closing(there):
        revisions.upgrade_database(there)
        for statement in statements:
            there.transaction(lambda connection, one=statement: connection.exec_driver_sql(one))  # type: ignore[misc]


def _wait_for(process: BaseProcess, engine: sa.Engine) -> None:
    """Wait until the move waits for a lock in this database."""
    while True:
        with engine.connect() as connection:
            if connection.execute(sa.text(_WAITING)).all():
                return
        process.join(0.02)
        assert process.exitcode is None
