from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support import sql
from tests.support.db_roles import DbRoles

from hostaway_sync.errors import ConfigurationError, SchemaOutdated, StoreError
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Database]:
    """Return a database without any migration."""
    database = Database(empty_database_url, schema="hostaway")
    yield database
    database.close()


def set_revision(database: Database, revision: str) -> None:
    """Set the database to another revision."""
    sql.execute(database, "UPDATE alembic_version SET version_num = :revision", revision=revision)


def test_newest_revision_is_known_without_alembic() -> None:
    """File names alone give the revision to which Alembic would upgrade."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(revisions.migrations_directory()))
    assert revisions.head_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_installed_package_has_its_migrations_inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a checkout they are beside `src`; a wheel has them in the package."""
    assert (revisions.migrations_directory() / "env.py").is_file()
    inside = tmp_path / "src" / "package" / "migrations"
    monkeypatch.setattr(revisions, "__file__", str(inside.parent / "store" / "schema" / "revisions.py"))
    assert revisions.migrations_directory() == tmp_path / "migrations"
    inside.mkdir(parents=True)
    assert revisions.migrations_directory() == inside


def test_empty_database_has_no_revision(empty: Database) -> None:
    """The sentence says what to type."""
    assert revisions.read_revision(empty) is None
    wanted = revisions.head_revision()
    sentence = rf"the database is at revision none, this program needs {wanted}: run `hostaway-sync migrate`"
    with pytest.raises(SchemaOutdated, match=sentence):
        revisions.require_current(empty)


def test_migrated_database_is_current(database: Database) -> None:
    """The check raises no error, and a second migration changes nothing."""
    assert revisions.read_revision(database) == revisions.head_revision()
    revisions.require_current(database)
    before = sql.row(database, "SELECT xmin::text, version_num FROM alembic_version")
    revisions.upgrade_database(database)
    assert sql.row(database, "SELECT xmin::text, version_num FROM alembic_version") == before


def test_database_behind_the_program_says_to_migrate(database: Database) -> None:
    """The sentence names both revisions."""
    set_revision(database, "0000")
    with pytest.raises(
        SchemaOutdated, match=r"is at revision 0000, this program needs .*: run `hostaway-sync migrate`"
    ):
        revisions.require_current(database)


def test_database_ahead_says_to_upgrade_the_program(database: Database) -> None:
    """Even `migrate` does not change a newer revision."""
    set_revision(database, "9999")
    sentence = "the database is at revision 9999, newer than this program's"
    with pytest.raises(SchemaOutdated, match=sentence):
        revisions.require_current(database)
    with pytest.raises(SchemaOutdated, match=sentence):
        revisions.upgrade_database(database)
    assert revisions.read_revision(database) == "9999"


def test_empty_version_table_beside_tables_is_refused(database: Database, empty: Database) -> None:
    """Their release is unknown; without tables it comes from a migration that did not end."""
    sql.execute(database, "DELETE FROM alembic_version")
    with pytest.raises(ConfigurationError, match="the schema hostaway is in use by another program"):
        revisions.upgrade_database(database)
    sql.execute(empty, "CREATE SCHEMA hostaway")
    sql.execute(empty, "CREATE TABLE hostaway.alembic_version (version_num varchar(32) NOT NULL)")
    assert revisions.read_revision(empty) is None
    revisions.upgrade_database(empty)
    assert revisions.read_revision(empty) == revisions.head_revision()


def test_too_old_server_is_refused(empty: Database) -> None:
    """The sentence names both versions; nothing is created."""
    empty.transaction(lambda connection: connection.scalar(sa.text("SELECT 1")))
    empty.engine.dialect.server_version_info = (14, 9)
    with pytest.raises(StoreError, match="PostgreSQL 14 is too old: 15 or newer is needed"):
        revisions.upgrade_database(empty)
    assert revisions.read_revision(empty) is None


def test_other_schema_names_work(empty_database_url: str) -> None:
    """Also one that must be quoted, roles included."""
    database = Database(empty_database_url, schema="Guest House")
    revisions.upgrade_database(database)
    db_roles = DbRoles(database)
    db_roles.create_groups()
    revisions.upgrade_database(database)
    db_roles.drop_all()
    assert revisions.read_revision(database) == revisions.head_revision()
    found = (
        "SELECT count(*) FROM pg_class WHERE relnamespace = '\"Guest House\"'::regnamespace AND relname = 'accounts'"
    )
    assert database.transaction(lambda connection: connection.scalar(sa.text(found))) == 1
    database.close()
