"""Names of settings that the database remembers: those of the newest release that migrated it.

While machines are upgraded one after the other, they often share one environment. A name in it that an older release
does not know may be the newer one's, and is no mistake then.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hostaway_sync.settings import SCHEMA, known_names
from hostaway_sync.store.postgres.open_database import has_embedded, open_database
from hostaway_sync.store.schema import revisions, setting_names

if TYPE_CHECKING:
    from hostaway_sync.settings import Settings
    from hostaway_sync.store.postgres.database import Database


def upgrade(database: Database) -> None:
    """Bring the schema to this program's revision, and have the database remember the settings of this release.

    Raises:
        HostawaySyncError: as `schema.upgrade`.
    """
    revisions.upgrade(database)
    setting_names.remember(database, known_names())


def remembered(settings: Settings) -> frozenset[str]:
    """Return the names that the database of these settings remembers; none where there is no database yet.

    Raises:
        HostawaySyncError: it cannot be asked.
    """
    if settings.database_url is None and not has_embedded(settings.data_dir):
        return frozenset()  # an embedded one must not be begun because a name is misspelt
    database = open_database(
        settings.database_url,
        settings.data_dir,
        schema=SCHEMA,
        pool_size=1,
        note=None,
        application="hostaway-sync settings",
    )
    with closing(database):
        return setting_names.remembered(database)
