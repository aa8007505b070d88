from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

from hostaway_sync.store.schema.revisions import head_revision

if TYPE_CHECKING:
    from tests.support.programs.program import Program


def settings(url: str) -> dict[str, str]:
    """Return the one variable that names the database."""
    return {"HOSTAWAY_SYNC_DATABASE_URL": url}


def test_every_command_on_an_old_schema_says_to_migrate(program: Program, empty_database_url: str) -> None:
    """Exit 78, and the command to type."""
    for arguments in (["account", "list"], ["sync", "1"], ["sync-all"], ["account", "add", "1", "--secret-stdin"]):
        done = program(None, *arguments, stdin="x", **settings(empty_database_url))
        assert (done.returncode, done.stdout) == (78, ""), arguments
        assert "run `hostaway-sync migrate`" in done.stderr


def test_migrate_updates_the_schema_and_prints_nothing(program: Program, empty_database_url: str) -> None:
    """--check ends with 1 before and with 0 after; a second migrate changes nothing."""
    database = settings(empty_database_url)
    behind = program(None, "migrate", "--check", **database)
    assert behind.returncode == 1
    assert head_revision() in behind.stdout
    for _ in range(2):
        done = program(None, "migrate", **database)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert program(None, "migrate", "--check", **database).returncode == 0


def test_printed_sql_migrates_when_run_by_hand(program: Program, empty_database_url: str) -> None:
    """--sql needs no database, and the program accepts the schema that the SQL creates."""
    done = program(None, "migrate", "--sql")
    assert done.returncode == 0
    with psycopg.connect(empty_database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute(done.stdout.encode())
    assert program(None, "migrate", "--check", **settings(empty_database_url)).returncode == 0


def test_database_newer_than_the_program_is_left_alone(program: Program, database_url: str) -> None:
    """Neither migrate nor a sync changes a schema of a newer release."""
    with psycopg.connect(database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute("UPDATE hostaway.alembic_version SET version_num = '9999'")
    for command in (["migrate"], ["sync-all"]):
        done = program(None, *command, **settings(database_url))
        assert done.returncode == 78
        assert "newer" in done.stderr


def test_check_and_sql_exclude_each_other(program: Program) -> None:
    """Both options together end with 2."""
    assert program(None, "migrate", "--check", "--sql").returncode == 2


def test_wrong_settings_are_named_without_their_values(program: Program) -> None:
    """Exit 78; every wrong variable is named, and no value is shown."""
    wrong = {"HOSTAWAY_SYNC_RATE_LIMIT_IP": "fast", "HOSTAWAY_SYNC_DATABASE_URL": "mysql://u:hunter2@h/d"}
    done = program(None, "sync-all", **wrong)
    assert done.returncode == 78
    assert "HOSTAWAY_SYNC_RATE_LIMIT_IP" in done.stderr
    assert "hunter2" not in done.stderr


def test_missing_view_is_named_and_stops_no_command(program: Program, database_url: str) -> None:
    """--check ends with 1 and migrate makes it; every other command works without it."""
    database = settings(database_url)
    with psycopg.connect(database_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute("DROP VIEW hostaway.coupons")
    missing = program(None, "migrate", "--check", **database)
    assert (missing.returncode, missing.stdout) == (1, "views to be made: coupons\n")
    assert program(None, "account", "list", **database).returncode == 0
    assert program(None, "migrate", **database).returncode == 0
    assert program(None, "migrate", "--check", **database).returncode == 0


def test_core_that_cannot_be_made_costs_one_sentence(program: Program, empty_database_url: str) -> None:
    """Tables are migrated, the exit code is 0, and it says what an administrator types; another schema can be named."""
    url = empty_database_url.replace("postgresql+psycopg", "postgresql")
    role = f"tenant_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        try:
            for schema in ("hostaway", "reports"):
                connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
            tenant = settings(str(make_url(empty_database_url).set(username=role)))
            for command in (["migrate"], ["migrate", "--check"]):
                done = program(None, *command, **tenant)
                assert (done.returncode, done.stdout) == (0, ""), command
                assert f'have `CREATE SCHEMA "core" AUTHORIZATION "{role}";` run' in done.stderr
                assert done.stderr.count("\n") == 1
            elsewhere = {**tenant, "HOSTAWAY_SYNC_CORE_SCHEMA": "reports"}
            assert program(None, "migrate", "--check", **elsewhere).returncode == 1
            done = program(None, "migrate", **elsewhere)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            assert connection.execute("SELECT count(*) FROM reports.reservations").fetchone() == (0,)
        finally:
            connection.execute(f"DROP OWNED BY {role} CASCADE")
            connection.execute(f"DROP ROLE {role}")
