"""Open the database that the settings name: an external one, or the embedded one of the data directory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.postgres.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from hostaway_sync.store.postgres.statement_timing import ObserveStatement


def has_embedded(data_dir: Path) -> bool:
    """Whether a data directory holds an embedded database."""
    from hostaway_sync.store.embedded import EmbeddedPostgres

    return (EmbeddedPostgres(data_dir / "postgresql").pgdata / "PG_VERSION").exists()


def open_database(
    url: SecretStr | None,
    data_dir: Path,
    *,
    schema: str,
    pool_size: int,
    observe: ObserveStatement | None,
    application: str,
) -> Database:
    """Open the database at `url`, or start the embedded one and open that.

    Raises:
        ConfigurationError: the URL cannot be used, or the embedded server cannot run here.
    """
    database = partial(Database, schema=schema, pool_size=pool_size, observe=observe, application=application)
    if url is not None:
        return database(url.get_secret_value())
    from hostaway_sync.store.embedded import EmbeddedPostgres

    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {data_dir} cannot be made: {error.strerror}; set HOSTAWAY_SYNC_DATA_DIR"
        ) from None
    embedded = EmbeddedPostgres(data_dir / "postgresql")
    embedded.start()
    return database(embedded.url(), embedded=embedded)
