"""The database as a whole: its schema, its move to another server, queries, and what it remembers of settings."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.data.queries import Queries
from hostaway_sync.app.resources import core_schema, list_view_names, name_core
from hostaway_sync.errors import ConfigurationError, SecretError
from hostaway_sync.settings import SCHEMA, list_known_variables
from hostaway_sync.store.messages import restored
from hostaway_sync.store.postgres.database import Database
from hostaway_sync.store.postgres.open_database import has_embedded, open_database
from hostaway_sync.store.schema import api_role, core_columns, core_views, kind_views, revisions
from hostaway_sync.store.schema import remembered_settings as stored_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic import SecretStr

    from hostaway_sync.app.container import Container
    from hostaway_sync.settings import Settings
    from hostaway_sync.store.database_move.relocate import MoveResult
    from hostaway_sync.store.schema.core_views import CoreState

_POOL_SIZE: Final = 3
_PATIENCE: Final = 10.0


class DatabaseOperations:
    """The database of one mirror.

    Args:
        container: names the database that the mirror is in.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def query(self, sql: str) -> tuple[list[str], list[Sequence[object]]]:
        """Return column names and rows of a query that can change nothing.

        Raises:
            UsageError: the query cannot be answered.
            StoreError: it would write, or this user may not ask it.
        """
        return Queries(self._container).values(sql)

    def revisions(self) -> tuple[str | None, str]:
        """Return the schema revision of the database and the one that this program needs."""
        return revisions.read_revision(self._database), revisions.head_revision()

    def missing_views(self) -> list[str]:
        """Return the names of the views of resources that `migrate` would make."""
        return kind_views.list_missing_views(self._database, list_view_names())

    def unfinished_tables(self) -> list[str]:
        """Return the tables of which `migrate` would fill rows, or build indexes."""
        return core_columns.list_unfinished_tables(self._database)

    def core_state(self) -> CoreState:
        """Return whether the views of `core` are as this program has them."""
        return core_views.inspect_core(self._database, core_schema(self._container.settings))

    @property
    def keys_source(self) -> str | None:
        """The place of the keys that moved secrets open with; None: there are no keys."""
        try:
            return self._container.key_ring(may_create=False).source.name
        except SecretError:
            return None

    def preview_move(self, url: SecretStr) -> dict[str, int]:
        """Return how many rows of each table a move would copy, and change nothing on either side.

        Raises:
            StoreError, ConfigurationError: as `move`.
        """
        from hostaway_sync.store.database_move import relocate

        with self._target(url) as target:
            return relocate.preview_move(self._database, target)

    def move(self, url: SecretStr, note: Callable[[str, str], object] = lambda _, __: None) -> MoveResult:
        """Copy everything into the database at `url`; from then on programs are refused here.

        Run it again after it was killed, wherever that was.

        Args:
            url: of the new database.
            note: called with each step and its table.

        Raises:
            LeaseHeld: another program works on this database.
            UsageError: the URL leads to this very database, or another move fills it.
            StoreError: the new database is not empty, or cannot be used; or this user does not own the tables here.
            ConfigurationError: the URL cannot be read; or this mirror was moved already.
        """
        from hostaway_sync.store.database_move import relocate

        with self._target(url) as target:
            return relocate.move_database(self._database, target, note, core_schema(self._container.settings))

    def declare_restored(self) -> int:
        """Note that this database was restored; return how many messages are looked for before any is sent.

        Raises:
            StoreError: this user may not write it down.
        """
        return restored.declare_restore(self._database)

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


def migration_sql(core: str) -> str:
    """Return the SQL that `migrate` runs on an empty database; `core` is the schema of the views of that name."""
    return revisions.render_upgrade_sql(SCHEMA, list_view_names(), name_core(core))


def roles_sql(prefix: str, core: str) -> str:
    """Return the SQL that creates the group roles; `core` is the schema of the views of that name."""
    from hostaway_sync.store.schema import roles

    return roles.render_roles_script(SCHEMA, prefix, core)


def is_behind(database: Database, settings: Settings) -> bool:
    """Return whether `migrate` would change a database's schema: a migration, a view or filled rows are missing."""
    found, wanted = revisions.read_revision(database), revisions.head_revision()
    if found is None or found < wanted:
        return True
    if found != wanted:
        return False
    if kind_views.list_missing_views(database, list_view_names()) or core_columns.list_unfinished(database):
        return True
    state = core_views.inspect_core(database, core_schema(settings))
    return bool(state.outdated) and state.obstacle is None


def upgrade_schema(database: Database, settings: Settings) -> None:
    """Bring the schema to this program's revision, and have the database remember the settings of this release.

    Raises:
        HostawaySyncError: as `revisions.upgrade`.
    """
    revisions.upgrade_database(database, list_view_names(), core_schema(settings))
    if database.embedded is not None:
        api_role.ensure_embedded_role(database, settings.core_schema)
    stored_settings.record_setting_names(database, list_known_variables())


def remembered_settings(settings: Settings) -> frozenset[str]:
    """Return the names of settings that the database remembers: those of the newest release that migrated it.

    Machines that are upgraded one after the other often share one environment. A name in it that an older release
    does not know may be one of the newer release, and is no mistake then.

    Raises:
        HostawaySyncError: the database cannot be asked.
    """
    if settings.database_url is None and not has_embedded(settings.data_dir):
        return frozenset()  # no embedded database is created because a name is misspelt
    database = open_database(
        settings.database_url,
        settings.data_dir,
        schema=SCHEMA,
        pool_size=1,
        observe=None,
        application="hostaway-sync settings",
    )
    with closing(database):
        return stored_settings.read_setting_names(database)
