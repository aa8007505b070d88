"""A receiver over real HTTP and a real database."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from tests.support.servers.http_server import RunningServer, running_server

from hostaway_sync.http_server.config import ServerConfig
from hostaway_sync.platforms.hostaway.webhooks.events import read_event
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.webhooks import credentials as webhook_credentials
from hostaway_sync.webhooks.server import PART
from hostaway_sync.webhooks.server.runtime import ReceiverRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.servers.http_server import Answer

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.redaction import Redaction
    from hostaway_sync.observability.meter import Sample
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.webhooks.credentials import Credentials

ACCOUNT = 70001
RING = KeyRing([b"m" * 32])
BASE = "https://sync.example.org"


class RunningReceiver(RunningServer):
    """One receiver."""

    def __init__(self, database: Database, address: tuple[str, int]) -> None:
        super().__init__(address)
        self.database = database

    def deliver(self, credentials: Credentials, body: bytes, account_id: int = ACCOUNT, **headers: str) -> Answer:
        """Send a delivery as the source would."""
        return self.post(path_of(credentials, account_id), body, login=login_of(credentials), **headers)


@contextmanager
def running_receiver(
    database: Database, *, ring: KeyRing = RING, redaction: Redaction | None = None, container: Container | None = None
) -> Iterator[RunningReceiver]:
    """Open a receiver and close it properly; with `container` it serves its metrics, too."""
    own: Callable[[Database], list[Sample]] = container.readings if container else lambda _: []
    meter = container.meter if container else None
    reception = ReceiverRuntime(database, lambda: ring, lambda: redaction, meter=meter, read_metrics=own)
    with closing(reception), running_server(reception.receiver("hostaway", read_event), ServerConfig(PART)) as server:
        yield RunningReceiver(database, server.address)


def store_account(database: Database, account_id: int = ACCOUNT) -> None:
    """Store an account that is not registered."""
    secret = SecretStr("sandbox-secret")
    account_changes.insert_account(database, RING, account_id, secret, None, name=None, customer_id=None)


def renew(database: Database, account_id: int = ACCOUNT) -> Credentials:
    """Return new credentials of an account, or again those that were never confirmed."""
    return database.transaction(
        partial(webhook_credentials.renew_credentials, vault=RING, account_id=account_id, url=BASE)
    )


def path_of(credentials: Credentials, account_id: int = ACCOUNT) -> str:
    """Return the path of deliveries."""
    return f"/webhooks/hostaway/{account_id}/{credentials.path_secret.get_secret_value()}"


def login_of(credentials: Credentials) -> str:
    """Return the value of Authorization."""
    pair = f"{credentials.login}:{credentials.password.get_secret_value()}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def event(name: str = "reservation.updated", *, account_id: int = ACCOUNT, **fields: Any) -> bytes:
    """Write the body of a delivery."""
    return json.dumps(
        {"object": "x", "event": name, "accountId": account_id, "data": {"id": 41200077} | fields}
    ).encode()
