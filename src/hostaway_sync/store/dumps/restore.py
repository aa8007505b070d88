"""Restore a mirror from a dump into an empty database, in one transaction.

pg_restore writes the dump as SQL, we hand it to psql, and write COMMIT behind it only when pg_restore ended well. A
damaged dump, an error, a kill of any of the three: psql's session ends without it, and the database is as it was.
Directly, pg_restore could not restore into a server older than itself: it sets a setting that such a server lacks.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.errors import ConfigurationError, LeaseHeld, SchemaOutdated, StoreError
from hostaway_sync.store.database_move import copy_rows
from hostaway_sync.store.database_move.sessions import list_other_sessions
from hostaway_sync.store.dumps.child_environment import connection_of
from hostaway_sync.store.dumps.dump import server_major
from hostaway_sync.store.dumps.programs import find_program
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.inspection import find_obstacle, read_facts
from hostaway_sync.store.schema.move_mark import SENTENCES, MoveMark

if TYPE_CHECKING:
    from typing import IO

    from hostaway_sync.store.dumps.archive import Archive
    from hostaway_sync.store.postgres.database import Database

# Rows that a migration or the start of a program writes: an empty mirror has them, too.
_OF_EMPTY_MIRRORS: Final = frozenset({"setting_names"})
# The setting that pg_restore sets first, and the oldest server that knows it.
_TIMEOUT_LINE: Final = b"SET transaction_timeout = 0;\n"
_KNOWS_TIMEOUT: Final = 17
# pg_restore's own settings are the first lines; no row is among them.
_HEAD_LINES: Final = 40
_PIECE: Final = 1 << 16
_BEGIN: Final = "BEGIN;\nSET client_min_messages TO warning;\n"
# The restored database is where no database can be, so that it knows of its restore even when we are killed now.
_NOWHERE: Final = (
    "\nDELETE FROM {0}.database_identity;\nINSERT INTO {0}.database_identity"
    " (system_identifier, timeline, database_oid, ledger_oid) VALUES (0, 0, 0, 0);\n"
)
_NOTES_ITS_PLACE: Final = "0018"
_COMMIT: Final = b"\nCOMMIT;\n"
_HAS_SCHEMA: Final = sa.text("SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = :name)")
_NO_TIMEOUTS: Final = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=30s"


def restore_dump(database: Database, archive: Archive) -> None:
    """Restore everything but roles and their rights.

    Raises:
        LeaseHeld: another program works on this database.
        SchemaOutdated: the dump is of a newer release, or of a mirror that was moved.
        ConfigurationError: the dump is of a newer server; or a program is missing here.
        StoreError: the database is not empty, or the dump cannot be restored; nothing was changed.
    """
    major = server_major(database)
    _require_usable(archive, major)
    has_schema, is_migrated = database.transaction(partial(_require_empty, own=database.application))
    psql = find_program("psql")
    environment, words = connection_of(
        database.engine.url, application=f"{database.application} restore", options=_NO_TIMEOUTS
    )
    words += ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file=-"]
    drop = f"DROP SCHEMA {quote_identifier(database.schema)} CASCADE;\n" if is_migrated else ""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603  (our own arguments, no shell)
            [str(psql.path), *words], env=environment | {"LC_ALL": "C"}, stdin=subprocess.PIPE, stderr=said
        ) as process,
    ):
        try:
            with process.stdin as into, archive.list_file(with_schema=is_migrated or not has_schema) as entries:  # type: ignore[union-attr]  # it is a pipe
                into.write(f"{_BEGIN}{drop}".encode())
                _write_script(archive, entries, into, drops_timeout=major < _KNOWS_TIMEOUT)
                if archive.revision >= _NOTES_ITS_PLACE:
                    into.write(_NOWHERE.format(quote_identifier(database.schema)).encode())
                into.write(_COMMIT)
        except BrokenPipeError:
            pass  # psql has ended, and said why
        except BaseException:
            process.kill()
            raise
        if process.wait():
            said.seek(0)
            raise psql.failure(said.read())


def _write_script(archive: Archive, entries: str, into: IO[bytes], *, drops_timeout: bool) -> None:
    """Write the entries of a dump as SQL."""
    words = ["--no-owner", "--no-privileges", f"--use-list={entries}", "--file=-", str(archive.file)]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603  (our own arguments, no shell)
            [str(archive.program.path), *words],
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):
        try:
            script: IO[bytes] = process.stdout  # type: ignore[assignment]  # it is a pipe
            for line in islice(script, _HEAD_LINES):
                if not (drops_timeout and line == _TIMEOUT_LINE):
                    into.write(line)
            shutil.copyfileobj(script, into, _PIECE)
        except BaseException:
            process.kill()
            raise
        if process.wait():
            said.seek(0)
            raise archive.program.failure(said.read())


def _require_usable(archive: Archive, major: int) -> None:
    if mark := MoveMark.parse(archive.revision):
        raise SchemaOutdated(f"{archive.file} is of no use: {SENTENCES[mark.kind]}")
    if archive.revision > revisions.head_revision():
        raise SchemaOutdated(
            f"{archive.file} is at revision {archive.revision}, newer than this program's {revisions.head_revision()}:"
            " upgrade it"
        )
    if archive.server_major > major:
        raise ConfigurationError(
            f"{archive.file} is of PostgreSQL {archive.server_major}, this server is {major}: use a newer server, or"
            " take the mirror to an older one with `hostaway-sync database move`"
        )


def _require_empty(connection: sa.Connection, own: str) -> tuple[bool, bool]:
    """Return whether there is a schema of the mirror, and whether it has (empty) tables."""
    schema = connection.get_execution_options()["schema_translate_map"][None]
    facts = read_facts(connection, schema)
    if sentence := find_obstacle(facts):
        raise ConfigurationError(sentence)
    for table in copy_rows.list_tables(connection, schema):
        if table.name not in _OF_EMPTY_MIRRORS and copy_rows.has_rows(connection, schema, table):
            raise StoreError(
                f"this database has rows already, in {schema}.{table.name}: restore into an empty one, and name that"
                " with HOSTAWAY_SYNC_DATABASE_URL, or with HOSTAWAY_SYNC_DATA_DIR where it is embedded"
            )
    if others := list_other_sessions(connection, own):
        raise LeaseHeld(f"other processes work on this database: {others}; stop them and cron, then restore")
    has_schema = connection.scalar(_HAS_SCHEMA, {"name": schema})
    return bool(has_schema), facts.revisions is not None
