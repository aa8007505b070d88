"""A server that speaks German: its refusals are recognized by SQLSTATE."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa
from tests.support.deliveries import eventually

from hostaway_sync.errors import StoreError, StoreUnavailable
from hostaway_sync.store.embedded import EmbeddedPostgres, location
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.errors import HostawaySyncError

LOCALE = "de_DE.UTF-8"
DEBIAN = Path("/usr/lib/postgresql/15/bin")
TRANSLATIONS = Path("/usr/share/locale/de/LC_MESSAGES/postgres-15.mo")
RULES = """
local all rejected reject
local limited limited trust
local postgres elsewhere trust
local all with_password scram-sha-256
local all unlisted_method md5
local all postgres trust
local all nologin,denied,nobody trust
"""


@pytest.fixture(scope="module")
def german() -> Iterator[EmbeddedPostgres]:
    """Return a PostgreSQL whose messages are German, from Debian's packages; its locale is created here."""
    binaries = Path(os.environ.get("HOSTAWAY_SYNC_TEST_PG_BIN", DEBIAN))
    localedef = shutil.which("localedef")
    if not (binaries / "postgres").exists() or not TRANSLATIONS.exists() or localedef is None:
        pytest.skip("there is no PostgreSQL 15 with translations: install Debian's `postgresql-15` and `locales`")
    directory = Path(tempfile.mkdtemp(prefix="hostaway-sync-german-"))
    directory.chmod(0o755)
    made = subprocess.run(
        [localedef, "-i", "de_DE", "-f", "UTF-8", directory / LOCALE], capture_output=True, check=False
    )
    if not (directory / LOCALE).exists():
        pytest.skip(f"no German locale can be made: {made.stderr.decode(errors='replace')}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(location._SERVER_ENVIRONMENT, "LOCPATH", str(directory))  # noqa: SLF001  (the server's own surroundings)
        postgres = EmbeddedPostgres(directory / "pg", bin_dir=binaries)
        postgres.start()
    with _connected(postgres) as connection:
        for statement in (
            f"ALTER SYSTEM SET lc_messages = '{LOCALE}'",
            "CREATE ROLE nologin NOLOGIN",
            "CREATE ROLE with_password LOGIN PASSWORD 'right'",
            "CREATE ROLE rejected LOGIN",
            "CREATE ROLE elsewhere LOGIN",
            "CREATE ROLE denied LOGIN",
            "CREATE ROLE limited LOGIN CONNECTION LIMIT 0",
            "CREATE DATABASE limited",
            "CREATE DATABASE closed",
            "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
            "CREATE DATABASE shut ALLOW_CONNECTIONS false",
        ):
            connection.execute(statement)
        rules = postgres.pgdata / "pg_hba.conf"
        rules.write_text(RULES, encoding="ascii")
        connection.execute("SELECT pg_reload_conf()")
        shown = (
            "SELECT current_setting('lc_messages') = %s AND EXISTS ("
            "SELECT FROM pg_hba_file_rules WHERE type = 'local' AND 'rejected' = ANY (user_name))"
        )
        eventually(lambda: connection.execute(shown, (LOCALE,)).fetchone() == (True,), "German is spoken")
    yield postgres
    postgres.release()
    shutil.rmtree(directory)


def _connected(server: EmbeddedPostgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.url().replace("postgresql+psycopg", "postgresql"), autocommit=True)


def refused(server: EmbeddedPostgres, **changed: str) -> HostawaySyncError:
    """Return the error of one attempt to use a database."""
    url = sa.make_url(server.url()).set(**changed)  # type: ignore[arg-type]  # names and texts
    database = Database(url.render_as_string(hide_password=False), schema="hostaway")
    with pytest.raises(StoreError) as caught:
        database.attempt(lambda connection: connection.execute(sa.text("SELECT 1")))
    database.close()
    return caught.value


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"database": "nowhere"}, "existiert nicht"),
        ({"username": "nobody"}, "existiert nicht"),
        ({"username": "nologin"}, "keine Berechtigung zum Einloggen"),
        ({"username": "with_password", "password": "wrong"}, "Passwort-Authentifizierung"),
        ({"username": "with_password"}, "no password supplied"),
        ({"username": "rejected"}, "pg_hba.conf"),
        ({"username": "elsewhere", "database": "closed"}, "pg_hba.conf"),
        ({"username": "denied", "database": "closed"}, "keine Berechtigung"),
    ],
)
def test_german_refusal_is_not_retried(german: EmbeddedPostgres, changed: dict[str, str], words: str) -> None:
    """It is no unreachable server, and its sentence is shown."""
    error = refused(german, **changed)
    assert type(error) is StoreError
    assert str(error).startswith("the database refuses us: ")
    assert words in str(error)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"username": "limited", "database": "limited"}, "zu viele Verbindungen"),
        ({"database": "shut"}, "akzeptiert gegenw"),
    ],
)
def test_full_or_closed_german_server_is_retried(german: EmbeddedPostgres, changed: dict[str, str], words: str) -> None:
    """Too many connections, and a database that is closed for a while, end by themselves."""
    error = refused(german, **changed)
    assert type(error) is StoreUnavailable
    assert words in str(error)


def test_german_refusal_of_a_statement_is_recognized(german: EmbeddedPostgres) -> None:
    """A missing right, and a missing table."""
    database = Database(german.url(), schema="hostaway")
    for statement, sentence in (
        ("SET LOCAL ROLE nologin; CREATE SCHEMA more", "the database refuses us: keine Berechtigung"),
        ("SELECT FROM hostaway.accounts", "the database lacks what its revision has: Relation"),
    ):
        with pytest.raises(StoreError, match=f"^{sentence}"):
            database.attempt(lambda connection, words=statement: _all(connection, words))  # type: ignore[misc]
    database.close()


def _all(connection: sa.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        connection.execute(sa.text(statement))
