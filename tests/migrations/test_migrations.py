from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from procrastinate.schema import SchemaManager
from tests.support import sql
from tests.support.records import at

from hostaway_sync.app.database import migration_sql
from hostaway_sync.app.resources import list_view_names
from hostaway_sync.errors import ConfigurationError, StoreBusy
from hostaway_sync.settings import SCHEMA
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import kind_views, revisions
from hostaway_sync.store.tables import accounts, conversation_messages, conversations, metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of everything that both ways create: what it is called, and all that PostgreSQL knows about it. The order of columns
# is left out: it differs once a migration has added one. The queue engine's tables are no definitions of ours.
CATALOG = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
            pg_get_expr(d.adbin, d.adrelid) AS value, a.attidentity, a.attgenerated, a.attstorage, a.attcompression,
            col_description(c.oid, a.attnum) AS comment
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'hostaway'::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
            AND c.relname !~ '^procrastinate_'
        ORDER BY 1, 2
    """,
    "tables": """
        SELECT relname, relpersistence, reloptions, relrowsecurity, obj_description(oid, 'pg_class') AS comment
        FROM pg_class WHERE relnamespace = 'hostaway'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
            AND relname !~ '^procrastinate_'
        ORDER BY 1
    """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'hostaway' AND tablename <> 'alembic_version' AND tablename !~ '^procrastinate_'
        ORDER BY 1, 2
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE connamespace = 'hostaway'::regnamespace AND conrelid <> 'hostaway.alembic_version'::regclass
            AND contype <> 'n' AND conrelid::regclass::text !~ 'procrastinate_' ORDER BY 1, 2
    """,
}
# The objects of the queue's engine.
ENGINE = {
    "tables": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'hostaway'::regnamespace AND c.relname ~ '^procrastinate_' ORDER BY c.relname, a.attnum
    """,
    "functions": """
        SELECT proname, proconfig, prosrc FROM pg_proc
        WHERE pronamespace = 'hostaway'::regnamespace AND proname ~ '^procrastinate_' ORDER BY 1
    """,
}
# Objects that only migrations create.
REST = {
    "views": """
        SELECT relname, reloptions, pg_get_viewdef(oid) AS definition FROM pg_class
        WHERE relnamespace = 'hostaway'::regnamespace AND relkind = 'v' ORDER BY relname
    """,
    "functions": """
        SELECT proname, pg_get_functiondef(oid) AS definition FROM pg_proc
        WHERE pronamespace = 'hostaway'::regnamespace AND proname !~ '^procrastinate_' ORDER BY proname
    """,
}


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """Return a database without any migration."""
    database = Database(empty_database_url, schema="hostaway")
    yield database
    database.close()


def catalog(database: Database, queries: dict[str, str]) -> dict[str, list[Any]]:
    """Return what PostgreSQL knows about the schema."""
    with database.engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(sa.text(query.replace(":", r"\:")))]
            for name, query in queries.items()
        }


def test_migrations_and_table_definitions_are_equal(database: Database, empty: Database) -> None:
    """Columns with types, defaults and comments, indexes, constraints and storage options: no difference at all."""
    with empty.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {SCHEMA}"))
        connection.execute(sa.text(f"CREATE TABLE {SCHEMA}.alembic_version (version_num text)"))
        metadata.create_all(connection)
    migrated, created = catalog(database, CATALOG), catalog(empty, CATALOG)
    for kind in CATALOG:
        assert migrated[kind], kind
        assert migrated[kind] == created[kind], kind


# They name no table.
PURE_FUNCTIONS = ("comparable_payload", "free_moment", "unsigned_urls")


def test_view_and_function_exist(database: Database) -> None:
    """Each view reads with the rights of its reader; the function finds its tables for every caller."""
    rest = catalog(database, REST)
    views = sorted(["messages", *list_view_names()])
    assert sorted((name, options) for name, options, _ in rest["views"]) == [
        (name, ["security_invoker=true"]) for name in views
    ]
    definitions = dict(rest["functions"])
    fillers = {f"{name}_core" for name, table in metadata.tables.items() if "core_account_id" in table.c}
    noting = {name for name in definitions if name.startswith("note_")}
    assert definitions.keys() == {*PURE_FUNCTIONS, "reserve_request"} | fillers | noting
    for name in ("reserve_request", *noting):
        assert "SET search_path TO 'hostaway'" in definitions[name]


def test_queue_schema_equals_the_installed_procrastinate() -> None:
    """The frozen schema is that of the installed version: another version needs a migration."""
    frozen = revisions.migrations_directory() / "queue" / "procrastinate_3_10.sql"
    assert frozen.read_text(encoding="utf-8") == SchemaManager.get_schema()


def test_procrastinate_finds_its_tables(database: Database) -> None:
    """Each function of the engine names our schema, so that no session needs a search path."""
    functions = catalog(database, ENGINE)["functions"]
    assert functions
    assert {tuple(settings) for _, settings, _ in functions} == {("search_path=hostaway",)}


def test_printed_sql_gives_the_same_schema(database: Database, empty: Database) -> None:
    """The output of `migrate --sql`, run by another client, makes the same schema and revision as `migrate`."""
    printed = migration_sql("core")
    with closing(psycopg.connect(psycopg_url(empty), autocommit=True)) as connection:
        connection.execute(printed)
    for queries in (CATALOG, REST, ENGINE):
        assert catalog(empty, queries) == catalog(database, queries)
    revisions.require_current(empty)
    revisions.upgrade_database(empty)


def test_migrating_twice_changes_nothing(empty: Database) -> None:
    """The second run finds no migration to do."""
    revisions.upgrade_database(empty)
    before = catalog(empty, CATALOG | REST)
    revisions.upgrade_database(empty)
    assert catalog(empty, CATALOG | REST) == before


MIGRATE = """
import sys
from hostaway_sync.app.resources import list_view_names
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.postgres.database import Database
database = Database(sys.argv[1], schema="hostaway")
revisions.read_revision(database)
print("ready", flush=True)
sys.stdin.readline()
revisions.upgrade_database(database, list_view_names())
revisions.require_current(database)
database.close()
"""


def test_two_migrators_run_one_after_the_other(empty: Database, database: Database) -> None:
    """Of two processes that start together one migrates, and the other waits and finds no migration to do."""
    url = empty.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", MIGRATE, url]
    migrators = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for migrator in migrators:
        assert migrator.stdout is not None
        assert migrator.stdout.readline() == "ready\n"
    for migrator in migrators:
        assert migrator.stdin is not None
        migrator.stdin.write("go\n")
        migrator.stdin.flush()
    for migrator in migrators:
        _, errors = migrator.communicate(timeout=60)
        assert (migrator.returncode, errors) == (0, "")
    assert catalog(empty, CATALOG | REST) == catalog(database, CATALOG | REST)


def test_a_lock_timeout_of_a_migration_is_an_error(
    empty: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A migration that cannot lock its table ends with a sentence, and changes nothing."""
    impatient = Path(shutil.copytree(revisions.migrations_directory(), tmp_path / "migrations"))
    entry = impatient / "env.py"
    assert "lock_timeout = '10s'" in entry.read_text(encoding="utf-8")
    entry.write_text(entry.read_text(encoding="utf-8").replace("'10s'", "'10ms'"), encoding="utf-8")
    monkeypatch.setattr(revisions, "migrations_directory", lambda: impatient)
    sql.execute(empty, f"CREATE SCHEMA {SCHEMA}")
    with empty.engine.connect() as holder:
        holder.execute(sa.text(f"CREATE TABLE {SCHEMA}.sync_runs (id integer)"))
        pid = holder.scalar(sa.text("SELECT pg_backend_pid()"))
        with pytest.raises(StoreBusy, match=rf"session {pid} of role .*`SELECT pg_terminate_backend\({pid}\)`"):
            revisions.upgrade_database(empty)
    assert revisions.read_revision(empty) is None
    assert catalog(empty, {"tables": "SELECT 1 FROM pg_tables WHERE schemaname = 'hostaway'"}) == {"tables": []}
    revisions.upgrade_database(empty)


def test_user_without_rights_gets_an_error(empty: Database) -> None:
    """A user who may not create a schema learns what the server refused."""
    sql.execute(empty, "CREATE ROLE visitor LOGIN")
    try:
        visitor = Database(
            empty.engine.url.set(username="visitor").render_as_string(hide_password=False), schema="hostaway"
        )
        with pytest.raises(ConfigurationError, match="the database refuses us: permission denied for database"):
            revisions.upgrade_database(visitor)
        visitor.close()
    finally:
        sql.execute(empty, "DROP ROLE visitor")


def test_schema_of_another_role_is_refused(empty: Database) -> None:
    """Without rights to read it or to create in it, settings or grants are wrong, and a retry is useless."""
    sql.execute(empty, "CREATE ROLE visitor LOGIN")
    try:
        sql.execute(empty, f"CREATE SCHEMA {SCHEMA}")
        url = empty.engine.url.set(username="visitor").render_as_string(hide_password=False)
        for grant in ("SELECT", f"GRANT USAGE ON SCHEMA {SCHEMA} TO visitor"):
            sql.execute(empty, grant)
            with closing(Database(url, schema="hostaway")) as visitor:
                with pytest.raises(ConfigurationError, match="the database refuses us: permission denied") as caught:
                    revisions.upgrade_database(visitor)
                assert caught.value.exit_code == 78
    finally:
        sql.execute(empty, "DROP OWNED BY visitor")
        sql.execute(empty, "DROP ROLE visitor")


def test_owner_of_the_schema_alone_can_migrate(empty: Database) -> None:
    """Where an administrator created it, no superuser and no right to create schemas is needed."""
    sql.execute(empty, "CREATE ROLE tenant LOGIN")
    try:
        sql.execute(empty, f"CREATE SCHEMA {SCHEMA} AUTHORIZATION tenant")
        tenant = Database(
            empty.engine.url.set(username="tenant").render_as_string(hide_password=False), schema="hostaway"
        )
        revisions.upgrade_database(tenant)
        revisions.require_current(tenant)
        tenant.close()
    finally:
        sql.execute(empty, "DROP OWNED BY tenant CASCADE")
        sql.execute(empty, "DROP ROLE tenant")


def test_missing_views_are_made_and_a_taken_name_is_refused(empty: Database) -> None:
    """Each kind without a table of its own has one; a relation that somebody else made stays as it is."""
    revisions.upgrade_database(empty, ["coupons"])
    assert kind_views.list_missing_views(empty, ["coupons", "users"]) == ["users"]
    revisions.upgrade_database(empty, ["coupons", "users"])
    assert kind_views.list_missing_views(empty, ["coupons", "users"]) == []
    sql.execute(empty, f"DROP VIEW {SCHEMA}.users")
    sql.execute(empty, f"CREATE TABLE {SCHEMA}.users (theirs integer)")
    with pytest.raises(ConfigurationError, match=f"{SCHEMA}.users is not ours, .*: rename it, and run"):
        revisions.upgrade_database(empty, ["coupons", "users"])
    assert sql.rows(empty, f"SELECT theirs FROM {SCHEMA}.users") == []


def insert_messages(database: Database) -> None:
    """Store two accounts with the same ids, conversations with and without reservation, and their messages."""
    mirrored = {"observed_at": at(0), "payload_hash": b"", "raw_payload": {}}

    def message(number: int, conversation: int | None, reservation: int | None, sent: float | None) -> dict[str, Any]:
        return mirrored | {
            "id": number,
            "conversation_id": conversation,
            "reservation_id": reservation,
            "sent_at": None if sent is None else at(sent),
            "raw_payload": {"id": number},
            "created_at": at(number),
            "updated_at": at(100 + number),
            "missing_since": at(0) if number == 9 else None,
        }

    rows = [
        message(1, 10, None, 3),
        message(3, 10, 77, 2),
        message(2, 10, 77, 2),
        message(4, 11, 77, None),
        message(5, 20, None, 1),
        message(6, 21, None, 1),
        message(7, 99, 88, 1),
        message(9, 10, 77, 0),
    ]
    with database.engine.begin() as connection:
        for account_id in (1, 2):
            connection.execute(sa.insert(accounts).values(account_id=account_id, client_secret=b""))
            for number, reservation in ((10, 77), (11, 77), (20, None), (21, None)):
                values = mirrored | {"account_id": account_id, "id": number, "reservation_id": reservation}
                connection.execute(sa.insert(conversations).values(values))
            for row in rows:
                connection.execute(sa.insert(conversation_messages).values(row | {"account_id": account_id}))


def test_thread_is_one_row_of_the_view(database: Database) -> None:
    """One a reservation with all its conversations, one a conversation without; missing messages are left out."""
    insert_messages(database)
    query = f"SELECT * FROM {SCHEMA}.messages ORDER BY account_id, reservation_id, conversation_id"
    with database.engine.connect() as connection:
        found = connection.execute(sa.text(query)).all()
    threads = [
        (row.account_id, row.reservation_id, row.conversation_id, [message["id"] for message in row.raw_messages])
        for row in found
    ]
    of_one = [(77, None, [2, 3, 1, 4]), (88, None, [7]), (None, 20, [5]), (None, 21, [6])]
    assert threads == [(account_id, *thread) for account_id in (1, 2) for thread in of_one]
    assert (found[0].created_at, found[0].updated_at) == (at(1), at(104))


def psycopg_url(database: Database) -> str:
    """Return the URL of a database in libpq's form."""
    return database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
