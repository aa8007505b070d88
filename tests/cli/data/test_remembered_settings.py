"""Setting names that this release does not know, with a database that a newer release migrated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support import sql

from hostaway_sync.settings import list_known_variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.programs.program import Program
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


@pytest.mark.parametrize("words", [("sync-all",), ("account", "list"), ("migrate",), ("status",)])
def test_setting_of_a_newer_release_is_a_warning(sync_env: Build, program: Program, words: tuple[str, ...]) -> None:
    """Machines that share an environment are not upgraded at the same moment."""
    env = sync_env()
    sql.execute(env.database, "INSERT INTO setting_names (name) VALUES ('HOSTAWAY_SYNC_FUTURE')")
    done = program(env, *words, FUTURE="1")
    assert done.returncode == 0, done.stderr
    assert "HOSTAWAY_SYNC_FUTURE" in done.stderr
    assert "newer release" in done.stderr
    done = program(env, *words, FUTURE="1", FUTUR="2")
    assert done.returncode == 78
    assert "HOSTAWAY_SYNC_FUTUR " in done.stderr
    assert "HOSTAWAY_SYNC_FUTURE " not in done.stderr


def test_migration_stores_the_setting_names_of_its_release(sync_env: Build, program: Program) -> None:
    """It keeps those that a newer release stored."""
    env = sync_env()
    sql.execute(env.database, "INSERT INTO setting_names (name) VALUES ('HOSTAWAY_SYNC_FUTURE')")
    assert program(env, "migrate").returncode == 0
    found = {name for (name,) in sql.rows(env.database, "SELECT name FROM setting_names")}
    assert found == {*list_known_variables(), "HOSTAWAY_SYNC_FUTURE"}


def test_misspelt_database_url_starts_no_new_mirror(program: Program, tmp_path: Path) -> None:
    """No embedded database is created, and no monitor gets a success."""
    data_dir = tmp_path / "data"
    settings = {"HOSTAWAY_SYNC_DATABSE_URL": "postgresql://db/mirror", "HOSTAWAY_SYNC_DATA_DIR": str(data_dir)}
    done = program(None, "sync-all", **settings)
    assert (done.returncode, done.stdout) == (78, "")
    assert "did you mean HOSTAWAY_SYNC_DATABASE_URL?" in done.stderr
    assert not data_dir.exists()


def test_unknown_setting_is_an_error_before_the_first_migration(
    sync_env: Build, program: Program, empty_database_url: str
) -> None:
    """The database has no table of names yet."""
    done = program(sync_env(), "account", "list", DATABASE_URL=empty_database_url, FUTURE="1")
    assert done.returncode == 78
    assert "HOSTAWAY_SYNC_FUTURE (the environment) is no setting" in done.stderr
