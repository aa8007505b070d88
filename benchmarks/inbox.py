"""The inbox of a stage: deliveries put into it as the receiver does, and what is in the tables."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlalchemy as sa

from hostaway_sync.model.deliveries import Delivery, Event, RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.store.webhooks import inbox

if TYPE_CHECKING:
    from stage import Stage

    from hostaway_sync.app.container import Container

PATIENCE = 120


def settings_of(on: Stage) -> dict[str, str]:
    """Return what `load_settings` needs to find sandbox and database."""
    names = ("api_url", "data_dir")
    return {name: on.environment[f"HOSTAWAY_SYNC_{name.upper()}"] for name in names}


def fill(container: Container, account_id: int, ids: list[int]) -> None:
    """Store one delivery for each object in the inbox."""

    def write(connection: sa.Connection) -> None:
        for number in ids:
            event = Event("reservation.updated", RefreshTarget(Resource.RESERVATIONS, number), account_id, None)
            delivery = Delivery(uuid4(), account_id, event, b"{}", "{}", {}, "here")
            inbox.accept_delivery(connection, delivery, platform="hostaway")

    container.database.transaction(write)


def settled(container: Container, wanted: int) -> None:
    """Wait until so many deliveries are processed."""
    deadline = time.monotonic() + PATIENCE
    query = "SELECT count(*) FROM hostaway.webhook_log WHERE status = 'processed'"
    while (found := number(container, query)) != wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"{wanted - found} deliveries were not processed")
        time.sleep(0.2)


def run(container: Container, statement: str) -> None:
    """Run a statement."""
    container.database.transaction(lambda connection: connection.execute(sa.text(statement)))


def numbers(container: Container, query: str) -> list[int]:
    """Return the first column of the rows of a query."""
    return container.database.transaction(lambda connection: list(connection.scalars(sa.text(query))))


def number(container: Container, query: str) -> int:
    """Return the first value of the rows of a query."""
    return numbers(container, query)[0]
