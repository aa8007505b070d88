"""What a receiver needs to run: connections and threads of its own, which nothing else may keep busy."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import ConfigurationError, HostawaySyncError
from hostaway_sync.http_server.metrics_page import MetricsPage
from hostaway_sync.observability.meter import Meter
from hostaway_sync.observability.tracing import start_span
from hostaway_sync.store.privacy.payload_rule import guard_payloads
from hostaway_sync.store.schema import revisions
from hostaway_sync.store.status.metrics import list_unavailable
from hostaway_sync.store.webhooks import inbox
from hostaway_sync.webhooks.server import PART
from hostaway_sync.webhooks.server.app import Receiver
from hostaway_sync.webhooks.server.auth import Authenticator
from hostaway_sync.webhooks.server.credentials_cache import CredentialsCache
from hostaway_sync.webhooks.server.outcomes import OutcomeLog
from hostaway_sync.webhooks.server.readiness import DeliveryReadiness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import sqlalchemy as sa

    from hostaway_sync.model.deliveries import Delivery, EventParser
    from hostaway_sync.model.redaction import Redaction, Redactor
    from hostaway_sync.observability.meter import Sample
    from hostaway_sync.secrets import SecretReader
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.webhooks.server.auth import AccountCredentials

THREADS: Final = 8
# Each delivery uses one for some milliseconds.
CONNECTIONS: Final = 4
# The sender waits, and sends again: better to answer soon that the database is away.
DATABASE_PATIENCE_S: Final = 1.0


class ReceiverRuntime:
    """Opens what a receiver needs.

    Args:
        database: with deliveries and credentials; the receiver gets connections of its own to it.
        open_vault: returns what opens the credentials.
        redaction: returns how payloads are redacted; None: not at all.
        meter: holds what this process measures.
        read_metrics: reads the metrics that a database holds.
    """

    def __init__(
        self,
        database: Database,
        open_vault: Callable[[], SecretReader],
        redaction: Callable[[], Redaction | None] = lambda: None,
        *,
        meter: Meter | None = None,
        read_metrics: Callable[[Database], list[Sample]] = lambda _: [],
    ) -> None:
        self._redaction = redaction
        self._meter = meter or Meter()
        self._read_metrics = read_metrics
        self._database = database.separate_pool(pool_size=CONNECTIONS, patience=DATABASE_PATIENCE_S)
        self._credentials_cache = CredentialsCache(self._database, open_vault)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix=PART)

    def receiver(self, platform: str, read_event: EventParser) -> Receiver:
        """Return a receiver of one platform's deliveries."""
        return Receiver(
            platform=platform,
            authenticator=Authenticator(self._read_credentials),
            read_event=read_event,
            accept=partial(self._accept, platform),
            check_readiness=self._check_readiness,
            outcomes=OutcomeLog(self._meter),
            metrics_page=MetricsPage(
                self._meter, partial(self._read_metrics, self._database), list_unavailable, self._pool
            ),
            pool=self._pool,
        )

    def close(self) -> None:
        """Close threads and connections."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._database.disconnect()

    async def _read_credentials(self) -> Mapping[int, AccountCredentials | None]:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._credentials_cache.read)

    def _accept(self, platform: str, delivery: Delivery) -> None:
        redaction = self._redaction()
        if redaction is not None:
            delivery = _redact(delivery, redaction.deliveries)

        def write(connection: sa.Connection) -> None:
            guard_payloads(connection, redaction.mark if redaction else None)
            inbox.accept_delivery(connection, delivery, platform=platform)

        with start_span("write delivery"):
            self._database.transaction(write)

    def _check_readiness(self) -> DeliveryReadiness:
        try:
            has_schema = revisions.read_revision(self._database) == revisions.head_revision()
            age = self._database.transaction(inbox.find_oldest_waiting_age) if has_schema else None
            if has_schema:
                self._database.transaction(inbox.check_writable)
        except ConfigurationError as error:
            return DeliveryReadiness(has_database=True, has_schema=False, trouble=str(error))
        except Exception as error:  # noqa: BLE001  (a database that refuses this refuses deliveries)
            trouble = str(error) if isinstance(error, HostawaySyncError) else f"unexpected {type(error).__name__}"
            return DeliveryReadiness.failed(trouble)
        waiting_s = age.total_seconds() if age else None
        return DeliveryReadiness(has_database=True, has_schema=has_schema, waiting_s=waiting_s)


def _redact(delivery: Delivery, redactor: Redactor) -> Delivery:
    """Redact both forms of a delivery; its event was read before."""
    payload = None if delivery.payload is None else redactor.redact(delivery.payload)
    return replace(delivery, payload=payload, body=redactor.redact_exact(delivery.body, delivery.payload))
