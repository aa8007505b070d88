"""Read the revision of a database and upgrade it. Alembic is imported only where it is needed."""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from hostaway_sync.environment.file_locks import poll_with_backoff
from hostaway_sync.errors import ConfigurationError, SchemaOutdated, StoreBusy, StoreError
from hostaway_sync.store.postgres import blocking_sessions
from hostaway_sync.store.postgres.database import OLDEST_SERVER
from hostaway_sync.store.postgres.driver_errors import raise_translated
from hostaway_sync.store.processes import rights
from hostaway_sync.store.schema import core_columns, core_views, kind_views, roles
from hostaway_sync.store.schema.inspection import find_obstacle, read_facts
from hostaway_sync.store.schema.move_mark import SENTENCES, MoveMark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa
    from alembic.config import Config

    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.schema.core_sql import CoreSchema

# Seconds to wait for another migrator.
PATIENCE_S: Final = 600.0
_RIGHT: Final = "migrate"
_LOCK_TIMEOUT: Final = "55P03"
_DENIED: Final = "42501"
_REVISION_FILE = re.compile(r"(\d{4})_\w+\.py")


def migrations_directory() -> Path:
    """Return the directory of the migrations: inside an installed package, or beside `src` in a checkout."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"


def head_revision() -> str:
    """Return the newest revision that this program has, from the file names alone."""
    names = (_REVISION_FILE.fullmatch(path.name) for path in (migrations_directory() / "versions").iterdir())
    return max(match[1] for match in names if match)


def read_revision(database: Database) -> str | None:
    """Return the database's revision; None where nothing was migrated yet.

    Raises:
        ConfigurationError: no mirror can live there, because of its encoding or of another program's tables.
    """
    facts = database.transaction(lambda connection: read_facts(connection, database.schema))
    if sentence := find_obstacle(facts):
        raise ConfigurationError(sentence)
    return facts.revision


def require_current(database: Database) -> None:
    """Require that the database is at this program's revision.

    Raises:
        SchemaOutdated: it is not; the message names the command to run.
        ConfigurationError: as `read_revision`.
    """
    found, wanted = read_revision(database), head_revision()
    if found == wanted:
        return
    if mark := MoveMark.parse(found):
        raise SchemaOutdated(SENTENCES[mark.kind])
    if found is not None and found > wanted:
        raise SchemaOutdated(f"the database is at revision {found}, newer than this program's {wanted}: upgrade it")
    raise SchemaOutdated(
        f"the database is at revision {found or 'none'}, this program needs {wanted}: run `hostaway-sync migrate`"
    )


def upgrade_database(database: Database, views: Sequence[str] = (), core: CoreSchema | None = None) -> str | None:
    """Upgrade the database to the newest revision; safe when several processes do it at once.

    Args:
        database: to be upgraded.
        views: the names of kinds that are to have a view.
        core: the schema of the views of `core`, and what the sources bring to them; None: they are not made.

    Returns:
        Why the views of `core` could not be made, and what an administrator types; None: they are there.

    Raises:
        StoreError: the server is too old, or refuses a statement.
        StoreUnavailable: the server went away; finished migrations stay.
        StoreBusy: a table was in use for too long, or another migrator is at work; finished migrations stay.
        SchemaOutdated: the database is newer than this program.
        ConfigurationError: no mirror can live in it, or this role may not change it.
    """
    try:
        found = read_revision(database)
        if found is not None and found > head_revision():
            require_current(database)
        with _exclusive(database):
            with _naming_sessions(database):
                _run_missing(database)
                core_columns.finish_columns(database)
            kind_views.create_views(database, views)
            obstacle = None if core is None else core_views.create_core(database, core)
            # The groups need rights on the new tables.
            roles.restore_grants(database, None if core is None else core.name)
            return obstacle
    except StoreError as error:
        if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) == _DENIED:
            # Another schema, tablespace, role or grant is needed: another attempt would not help.
            raise ConfigurationError(str(error)) from error
        raise


def _run_missing(database: Database) -> None:
    # A connection of its own: migrations change the session's search_path and timeouts.
    with database.engine.connect() as connection:
        try:
            _run(connection, database.schema)
        finally:
            connection.invalidate()


@contextmanager
def _naming_sessions(database: Database) -> Iterator[None]:
    """Translate errors of the driver; one about a lock names the sessions that hold it."""
    try:
        yield
    except SQLAlchemyError as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _LOCK_TIMEOUT:
            raise _busy_error(database) from error
        raise_translated(error)


def _run(connection: sa.Connection, schema: str) -> None:
    from alembic import command

    version = connection.dialect.server_version_info
    if version is not None and int(version[0]) < OLDEST_SERVER:
        raise StoreError(f"PostgreSQL {version[0]} is too old: {OLDEST_SERVER} or newer is needed")
    connection.commit()
    config = _config(schema)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def render_upgrade_sql(database_schema: str, views: Sequence[str] = (), core: CoreSchema | None = None) -> str:
    """Return the SQL that `upgrade_database` runs on an empty database, with these views."""
    from alembic import command

    config = _config(database_schema)
    config.output_buffer = buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    made = [*kind_views.create_statements(database_schema, views)]
    if core is not None:
        made += core_views.create_statements(core, database_schema)
    return buffer.getvalue() + "".join(f"{statement};\n\n" for statement in made)


def _busy_error(database: Database) -> StoreBusy:
    """Return the error that names the sessions that hold a lock on our tables."""
    users = blocking_sessions.find_blocking_sessions(database)
    return StoreBusy(
        f"a table that a migration changes is in use by {users.sessions}: wait until that ends{users.advice},"
        " then run `hostaway-sync migrate` again; what is done stays done"
    )


@contextmanager
def _exclusive(database: Database) -> Iterator[None]:
    """Be the only migrator; where there is no table of rights yet, only the lock in `env.py` excludes others."""
    for _ in poll_with_backoff(PATIENCE_S):
        with database.claim(_RIGHT) as is_ours:
            if is_ours:
                yield
                return
    found = database.transaction(partial(rights.read_claim, right=_RIGHT))
    owner = found.owner if found else "a process that has ended just now"
    raise StoreBusy(
        f"another `hostaway-sync migrate` has been at work for {PATIENCE_S:.0f} seconds ({owner}): look there"
    )


def _config(schema: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    config.attributes["schema"] = schema
    return config
