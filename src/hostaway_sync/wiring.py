"""What the library stands on, opened as the settings say: database, key ring, and a source an account."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.secrets import find_key_ring
from hostaway_sync.store import accounts
from hostaway_sync.store.budget import DatabaseBudget
from hostaway_sync.store.engine import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from hostaway_sync.records import TokenVault
    from hostaway_sync.secrets import KeyRing
    from hostaway_sync.settings import Settings
    from hostaway_sync.source.client import Client


class Wiring:
    """One database and everything that is opened over it.

    Args:
        settings: where the database is, the limits, the key.
        schema: where in the database the tables are.

    Raises:
        ConfigurationError: the settings describe nothing that runs.
        StoreUnavailable: the database cannot be reached.
    """

    def __init__(self, settings: Settings, *, schema: str) -> None:
        self.settings = settings
        self.database = _open_database(settings, schema)
        self._ring: KeyRing | None = None

    def close(self) -> None:
        """Give back connections, and stop the embedded database if nobody else uses it."""
        self.database.close()

    def key_ring(self) -> KeyRing:
        """Give the keys that stored secrets are sealed with; made on first use, while nothing is sealed yet.

        Raises:
            SecretError: there is none, or it may not be used.
        """
        if self._ring is None:
            may_create = not accounts.has_sealed_values(self.database)
            self._ring = find_key_ring(self.settings.master_key, self.settings.data_dir, may_create=may_create)
        return self._ring

    @contextmanager
    def source(self, account_id: int) -> Iterator[Client]:
        """Open the source of a stored account; closed with the block.

        Raises:
            SecretError: its client secret cannot be opened.
        """
        ring = self.key_ring()
        client_secret = accounts.open_client_secret(self.database, ring, account_id)
        vault = accounts.StoredToken(self.database, ring, account_id)
        with closing(self.client(account_id, client_secret, vault)) as client:
            yield client

    def client(self, account_id: int, client_secret: SecretStr, vault: TokenVault) -> Client:
        """Make the client of any account, stored or not; whoever asks closes it."""
        from hostaway_sync.source.budget import Limits
        from hostaway_sync.source.client import Client

        settings = self.settings
        return Client(
            account_id=account_id,
            client_secret=client_secret,
            api_url=settings.api_url,
            budget=DatabaseBudget(self.database),
            vault=vault,
            limits=Limits(settings.rate_limit_ip, settings.rate_limit_account, settings.rate_limit_send),
            egress=settings.egress,
            attempts=settings.retry_attempts,
            backoff=timedelta(seconds=settings.retry_backoff),
            in_flight=settings.requests_in_flight,
        )


def _open_database(settings: Settings, schema: str) -> Database:
    pool_size = settings.requests_in_flight + 4  # one a thread, the lease, the budget, and some to spare
    if settings.database_url is not None:
        return Database(settings.database_url.get_secret_value(), schema=schema, pool_size=pool_size)
    from hostaway_sync.store.embedded import EmbeddedPostgres

    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {settings.data_dir} cannot be made: {error.strerror}; set HOSTAWAY_SYNC_DATA_DIR"
        ) from None
    embedded = EmbeddedPostgres(settings.data_dir / "postgresql")
    embedded.start()
    return Database(embedded.url(), schema=schema, embedded=embedded, pool_size=pool_size)
