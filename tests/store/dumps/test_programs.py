from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError, StoreError
from hostaway_sync.store.connection.database_url import parse_database_url
from hostaway_sync.store.dumps import programs
from hostaway_sync.store.dumps.child_environment import connection_of
from hostaway_sync.store.dumps.programs import find_program

if TYPE_CHECKING:
    from pathlib import Path

WORDS = "never shown"


def test_program_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that is new enough is taken; without one the sentence names what is needed."""
    old = tmp_path / "psql"
    old.write_text("#!/bin/sh\necho 'psql (PostgreSQL) 14.2'\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("psql", at_least=15).major >= 15
    monkeypatch.setattr(programs, "wheel_directory", lambda: None)
    monkeypatch.setattr(programs, "DEBIAN", tmp_path)
    assert find_program("psql").path == old
    with pytest.raises(ConfigurationError, match=r"psql of PostgreSQL 14 is too old, 15 is needed: install"):
        find_program("psql", at_least=15)
    with pytest.raises(ConfigurationError, match="there is no pg_dump on this machine: install"):
        find_program("pg_dump")


def test_failure_is_said_in_the_words_of_the_program() -> None:
    """One line, the first that names an error; a program that was killed said nothing."""
    program = find_program("pg_restore")
    with pytest.raises(StoreError, match=r'^pg_restore failed: could not open input file "/nowhere": No such file'):
        program.run(["--list", "/nowhere"], {"LC_ALL": "C"})
    assert str(program.failure(b"")) == "pg_restore failed: it was killed"


def test_command_line_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password goes by a variable, our settings do not go at all, and a secret without a variable is refused."""
    monkeypatch.setenv("HOSTAWAY_SYNC_MASTER_KEY", WORDS)
    monkeypatch.setenv("HOME", "/somewhere")
    url = parse_database_url("postgresql://user:word@db1:5433/mirror?keepalives=0&sslmode=require&options=-c%20a%3Db")
    environment, words = connection_of(url, application="tests", options="-c c=d")
    assert words == ["--dbname=keepalives=0"]
    wanted = {
        "PGUSER": "user",
        "PGPASSWORD": "word",
        "PGHOST": "db1",
        "PGPORT": "5433",
        "PGDATABASE": "mirror",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c a=b -c c=d",
        "PGAPPNAME": "tests",
        "HOME": "/somewhere",
    }
    assert {name: environment.get(name) for name in wanted} == wanted
    assert WORDS not in environment.values()
    assert connection_of(sa.make_url("postgresql+psycopg:///mirror"), application="tests")[1] == []
    with pytest.raises(ConfigurationError, match="the option sslpassword of HOSTAWAY_SYNC_DATABASE_URL"):
        connection_of(parse_database_url("postgresql://db/mirror?sslpassword=x"), application="tests")
