"""Databases that cannot hold a mirror: each command says so in one sentence, before it changes anything."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql

from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema.revisions import head_revision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.programs.program import Program

    from hostaway_sync.store.embedded import EmbeddedPostgres

ENCODED = "is encoded in {}, guests' names need UTF8: make another with `CREATE DATABASE "
IN_USE = "the schema hostaway is in use by another program ("
VERSIONS = "the table hostaway.alembic_version is another program's: use an empty database"
LOST = "are not in the schema hostaway (no accounts): restore it from a backup"
OWN_VERSIONS = "CREATE TABLE hostaway.alembic_version (version_num varchar(32) NOT NULL);"
STATES = {
    "a table": ("CREATE TABLE hostaway.bookings (id int)", IN_USE),
    "a view": ("CREATE VIEW hostaway.bookings AS SELECT 1 AS id", IN_USE),
    "a function": ("CREATE FUNCTION hostaway.free_moment() RETURNS int LANGUAGE sql RETURN 1", IN_USE),
    "a type": ("CREATE TYPE hostaway.channel AS ENUM ('airbnb')", IN_USE),
    "a table of ours that is not": ("CREATE TABLE hostaway.listings (id text)", IN_USE),
    "a version table without its column": ("CREATE TABLE hostaway.alembic_version (revision text)", VERSIONS),
    "a version view": ("CREATE VIEW hostaway.alembic_version AS SELECT '0001' AS version_num", VERSIONS),
    "a hashed revision": (f"{OWN_VERSIONS} INSERT INTO hostaway.alembic_version VALUES ('ae1027a6acf4')", VERSIONS),
    "several revisions": (f"{OWN_VERSIONS} INSERT INTO hostaway.alembic_version VALUES ('0001'), ('0002')", VERSIONS),
    "a revision like ours": (f"{OWN_VERSIONS} INSERT INTO hostaway.alembic_version VALUES ('0003')", LOST),
    "the newest revision": (f"{OWN_VERSIONS} INSERT INTO hostaway.alembic_version VALUES ('{head_revision()}')", LOST),
}
COMMANDS = (
    ("migrate",),
    ("migrate", "--check"),
    ("account", "add", "1", "--secret-stdin"),
    ("account", "list"),
    ("sync-all",),
    ("status",),
    ("worker", "--drain"),
)


@pytest.fixture
def encoded_url(server: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of an empty database in another encoding."""
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        options = f"TEMPLATE template0 ENCODING '{request.param}' LOCALE_PROVIDER libc LOCALE 'C'"
        connection.execute(sa.text(f"CREATE DATABASE {name} {options}"))
        yield server.url(name)
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def shape(database: Database) -> list[tuple[str, ...]]:
    """Return every object of a database, and how many rows its tables have."""
    query = (
        "SELECT 'schema', nspname FROM pg_namespace WHERE nspname !~ '^pg_' UNION ALL"
        " SELECT relnamespace::regnamespace::text, relname FROM pg_class WHERE relnamespace::regnamespace::text"
        " NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2"
    )
    return database.transaction(lambda connection: [tuple(row) for row in connection.execute(sa.text(query))])


def assert_refused(program: Program, url: str, sentence: str, *commands: tuple[str, ...]) -> None:
    """Check that each command ends with 78, prints this sentence alone, and changes nothing."""
    database = Database(url, schema="hostaway")
    before = shape(database)
    for command in commands:
        done = program(None, *command, stdin="x", HOSTAWAY_SYNC_DATABASE_URL=url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1), (command, done)
        assert sentence in done.stderr
    doctor = program(None, "doctor", HOSTAWAY_SYNC_DATABASE_URL=url, HOSTAWAY_SYNC_API_URL="http://127.0.0.1:1/v1")
    assert doctor.returncode == 1
    assert sentence in doctor.stdout
    assert shape(database) == before
    database.close()


@pytest.mark.parametrize("encoded_url", ["SQL_ASCII", "LATIN1"], indirect=True)
def test_every_command_refuses_a_wrong_encoding(program: Program, encoded_url: str) -> None:
    """The sentence names a statement that creates a suitable database."""
    with_encoding = Database(encoded_url, schema="hostaway")
    encoding = sql.row(with_encoding, "SHOW server_encoding")[0]
    with_encoding.close()
    assert_refused(program, encoded_url, ENCODED.format(encoding), *COMMANDS)


@pytest.mark.parametrize("encoded_url", ["WIN1252", "EUC_JP", "KOI8R", "LATIN9"], indirect=True)
def test_all_encodings_but_utf8_are_refused(program: Program, encoded_url: str) -> None:
    """The check accepts one encoding; it does not list the refused ones."""
    assert_refused(program, encoded_url, "guests' names need UTF8", ("migrate",))


@pytest.mark.parametrize("encoded_url", ["LATIN1"], indirect=True)
def test_statement_in_the_error_creates_a_usable_database(
    program: Program, encoded_url: str, server: EmbeddedPostgres
) -> None:
    """The test runs it as it is printed, with another name, and migrates the result."""
    said = program(None, "migrate", HOSTAWAY_SYNC_DATABASE_URL=encoded_url).stderr
    statement = re.search(r"`CREATE DATABASE mirror (.+?)`", said)
    assert statement is not None
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} {statement[1]}"))
        try:
            assert program(None, "migrate", HOSTAWAY_SYNC_DATABASE_URL=server.url(name)).returncode == 0
        finally:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.parametrize("state", STATES)
def test_schema_with_foreign_objects_is_refused(program: Program, empty_database_url: str, state: str) -> None:
    """Any object that this program did not create is reason enough."""
    statements, sentence = STATES[state]
    _make(empty_database_url, f"CREATE SCHEMA hostaway; {statements}")
    commands = COMMANDS if state in ("a table", "several revisions") else (("migrate",), ("sync-all",))
    assert_refused(program, empty_database_url, sentence, *commands)


@pytest.mark.parametrize("encoded_url", ["SQL_ASCII"], indirect=True)
def test_move_refuses_an_unsuitable_database(
    program: Program, database_url: str, empty_database_url: str, encoded_url: str
) -> None:
    """The sentence says which of the two databases it means; the mirror stays where it is."""
    _make(empty_database_url, "CREATE SCHEMA hostaway; CREATE TABLE hostaway.bookings (id int)")
    for target, sentence in ((encoded_url, "guests' names need UTF8"), (empty_database_url, IN_USE)):
        for more in ((), ("--dry-run",)):
            done = program(
                None, "database", "move", "--to", "-", *more, stdin=target, HOSTAWAY_SYNC_DATABASE_URL=database_url
            )
            assert (done.returncode, done.stdout) == (78, ""), done
            assert "the database to move to: " in done.stderr
            assert sentence in done.stderr
    assert program(None, "migrate", "--check", HOSTAWAY_SYNC_DATABASE_URL=database_url).returncode == 0


def test_alembic_table_of_another_program_is_left_alone(program: Program, empty_database_url: str) -> None:
    """That table is in another schema, which is on the search path."""
    there = "public.alembic_version"
    _make(empty_database_url, f"CREATE TABLE {there} (version_num text); INSERT INTO {there} VALUES ('x')")
    settings = {"HOSTAWAY_SYNC_DATABASE_URL": empty_database_url}
    assert program(None, "migrate", **settings).returncode == 0
    assert program(None, "migrate", "--check", **settings).returncode == 0
    database = Database(empty_database_url, schema="hostaway")
    assert sql.row(database, "SELECT version_num FROM public.alembic_version")[0] == "x"
    database.close()


def test_empty_schema_and_one_with_an_extension_are_accepted(program: Program, empty_database_url: str) -> None:
    """An administrator may have created it for this program."""
    _make(empty_database_url, "CREATE SCHEMA hostaway; CREATE EXTENSION pg_trgm SCHEMA hostaway")
    assert program(None, "migrate", HOSTAWAY_SYNC_DATABASE_URL=empty_database_url).returncode == 0


def _make(url: str, statements: str) -> None:
    database = Database(url, schema="hostaway")
    for statement in statements.split(";"):
        database.transaction(lambda connection, words=statement: connection.execute(sa.text(words)))  # type: ignore[misc]
    database.close()
