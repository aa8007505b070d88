"""Dumps of the whole mirror, their restore, and a shell, by PostgreSQL's own programs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.database import upgrade_schema
from hostaway_sync.errors import StoreError, UsageError
from hostaway_sync.store.dumps.archive import read_archive
from hostaway_sync.store.dumps.child_environment import connection_of
from hostaway_sync.store.dumps.dump import write_dump
from hostaway_sync.store.dumps.programs import find_program
from hostaway_sync.store.dumps.restore import restore_dump
from hostaway_sync.store.messages import restored
from hostaway_sync.store.queries.embedded_reader import reading
from hostaway_sync.store.schema.roles import Roles

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from hostaway_sync.app.container import Container

_READ_ONLY: Final = "-c default_transaction_read_only=on"


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore has done.

    Attributes:
        revision: of the dump; the database is at this program's.
        looked_for: pending messages that are looked for before any is sent.
        roles: the groups of roles that have their rights again; None: the dump knew none.
        roles_error: why they have not.
    """

    revision: str
    looked_for: int
    roles: tuple[str, ...] | None
    roles_error: str | None


@dataclass(frozen=True, slots=True)
class Shell:
    """The command of a shell, and its environment, which holds the password."""

    command: list[str]
    environment: dict[str, str]


class Dumps:
    """Dumps of one mirror.

    Args:
        container: names the database that the mirror is in.
    """

    def __init__(self, container: Container) -> None:
        self._database = container.database
        self._settings = container.settings

    def write(self, file: Path, *, may_replace: bool = False) -> int:
        """Write a dump; return its size in bytes.

        Raises:
            HostawaySyncError: as `write_dump`.
        """
        return write_dump(self._database, file, may_replace=may_replace)

    def restore(self, file: Path) -> RestoreResult:
        """Restore a dump into this database, which is empty, and bring it to this program's revision.

        If it is killed behind the restore itself, the next command that works does the rest, but for roles.

        Raises:
            HostawaySyncError: as `read_archive` and `restore_dump`.
        """
        archive = read_archive(file, self._database.schema)
        restore_dump(self._database, archive)
        upgrade_schema(self._database, self._settings)
        looked_for = self._database.transaction(restored.detect_restore)
        roles, error = self._create_roles(archive.group_prefix)
        return RestoreResult(archive.revision, looked_for or 0, roles, error)

    @contextmanager
    def shell(self, *, may_write: bool) -> Generator[Shell]:
        """Yield the command of psql on this database, while the block runs.

        Raises:
            ConfigurationError: there is no psql, or the URL holds a secret that cannot be handed on.
        """
        psql = find_program("psql")
        options = f"-c search_path={self._database.schema}" + ("" if may_write else f" {_READ_ONLY}")
        with reading(self._database) as reader:
            database = self._database if may_write else reader
            environment, words = connection_of(
                database.engine.url, application=f"{database.application} shell", options=options
            )
            yield Shell([str(psql.path), *words], environment)

    def _create_roles(self, prefix: str | None) -> tuple[tuple[str, ...] | None, str | None]:
        if prefix is None:
            return None, None
        try:
            return Roles(self._database, self._settings.core_schema).create(prefix).names, None
        except (StoreError, UsageError) as error:
            return None, str(error)
