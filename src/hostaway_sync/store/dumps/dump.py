"""Write a dump of the whole mirror, which is whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.environment.whole_files import whole_file
from hostaway_sync.errors import SchemaOutdated, StoreError
from hostaway_sync.store.dumps.child_environment import connection_of
from hostaway_sync.store.dumps.programs import find_program
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.schema.move_mark import SENTENCES, MoveMark

if TYPE_CHECKING:
    from pathlib import Path

    from hostaway_sync.store.postgres.database import Database

# Rights are those of processes that run now.
_EMPTY_IN_DUMPS: Final = ("rights",)
_NO_TIMEOUTS: Final = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0"


def write_dump(database: Database, file: Path, *, may_replace: bool) -> int:
    """Dump the mirror into a file of pg_dump's custom format, as of one moment; return its size in bytes.

    Raises:
        UsageError: the file exists, is no file, or another process writes it.
        StoreError: there is no mirror, or this role may not read all of it.
        ConfigurationError: the database was moved; or there is no pg_dump for it here.
        OSError: the file cannot be written.
    """
    found = revisions.read_revision(database)
    if found is None:
        raise StoreError("there is no mirror in this database, and nothing to dump: run `hostaway-sync migrate` first")
    if mark := MoveMark.parse(found):
        raise SchemaOutdated(SENTENCES[mark.kind])
    program = find_program("pg_dump", at_least=server_major(database))
    environment, words = connection_of(
        database.engine.url, application=f"{database.application} dump", options=_NO_TIMEOUTS
    )
    schema = quote_identifier(database.schema)
    words += ["--format=custom", "--no-password", "--lock-wait-timeout=30s", f"--schema={schema}"]
    words += [f"--exclude-table-data={schema}.{name}" for name in _EMPTY_IN_DUMPS]
    with whole_file(file, may_replace=may_replace) as output:
        # By its name: into a pipe or an open file, pg_dump would append a second list of its content. With the
        # descriptor the child keeps the lock, should we be killed.
        words.append(f"--file={output.path}")
        program.run(words, environment | {"LC_ALL": "C"}, keep_open=[output.stream.fileno()])
        return output.stream.seek(0, 2)


def server_major(database: Database) -> int:
    """Return the major version of the server."""
    with database.session() as connection:
        version = connection.dialect.server_version_info or (0,)
    return int(version[0])
