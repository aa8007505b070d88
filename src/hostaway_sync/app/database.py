"""The door to the database as a whole: moves the mirror to another one, and takes note that it was restored."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import ConfigurationError, SecretError
from hostaway_sync.settings import SCHEMA
from hostaway_sync.store.database_move import relocate
from hostaway_sync.store.messages import restored
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.schema import revisions, roles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

    from hostaway_sync.app.container import Container
    from hostaway_sync.store.database_move.relocate import Relocated

_POOL_SIZE: Final = 3
_PATIENCE: Final = 10.0


class DatabaseOperations:
    """The way of one mirror into another database.

    Args:
        container: names the database that it is in.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    @property
    def keys(self) -> str | None:
        """Where the keys are that the moved secrets open with; None: there are none."""
        try:
            return self._container.key_ring(may_create=False).source.name
        except SecretError:
            return None

    def preview(self, url: SecretStr) -> dict[str, int]:
        """Give how many rows of each table a move would bring, and change nothing on either side.

        Raises:
            StoreError, ConfigurationError: as `move`.
        """
        with self._target(url) as target:
            return relocate.preview(self._database, target)

    def move(self, url: SecretStr, note: Callable[[str, str], object] = lambda _, __: None) -> Relocated:
        """Bring everything into the database at `url`; programs are refused here from then on.

        `note` is told what is done, with which table. Killed anywhere, it is to be run again.

        Raises:
            LeaseHeld: somebody is at work here.
            UsageError: it is this very database, or another move fills it.
            StoreError: it is not empty, or cannot be used; or this user does not own the tables here.
            ConfigurationError: the URL is none; or this mirror was moved already.
        """
        with self._target(url) as target:
            return relocate.relocate(self._database, target, note)

    def declare_restored(self) -> int:
        """Believe a person that this database was restored; return how many messages are looked for before any is sent.

        Raises:
            StoreError: the database refuses us.
        """
        return restored.declare(self._database)

    @contextmanager
    def _target(self, url: SecretStr) -> Iterator[Database]:
        try:
            target = Database(
                url.get_secret_value(),
                schema=self._database.schema,
                pool_size=_POOL_SIZE,
                patience=_PATIENCE,
                application=self._database.application,
            )
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace("HOSTAWAY_SYNC_DATABASE_URL", "the URL of --to")) from None
        try:
            yield target
        finally:
            target.close()


def migration_sql() -> str:
    """Give the SQL that `migrate` runs on an empty database."""
    return revisions.upgrade_sql(SCHEMA)


def roles_sql(prefix: str) -> str:
    """Give the SQL that makes the groups of roles."""
    return roles.script(SCHEMA, prefix)
