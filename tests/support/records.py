"""Accounts, records and pages for tests of the store, and the rows that were stored."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.model.records import Owner, Page, Record, Resource, Shape
from hostaway_sync.store.records.upsert import write_page
from hostaway_sync.store.tables import MIRRORED, accounts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from hostaway_sync.model.records import Change
    from hostaway_sync.store.postgres.database import Database

LISTINGS = Shape(Resource.LISTINGS)
OWNER = Owner(1)


def at(minutes: float) -> datetime:
    """Return the time so many minutes after a fixed one."""
    return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=minutes)


def add_account(database: Database, account_id: int = 1, customer_id: UUID | None = None) -> None:
    """Store an account with a secret that no test opens."""
    values = {"account_id": account_id, "client_secret": b"sealed", "customer_id": customer_id}
    database.transaction(lambda connection: connection.execute(sa.insert(accounts).values(values)))


def record(
    record_id: int | None,
    payload: Mapping[str, Any] | str,
    *,
    stamp: float | None = None,
    columns: Mapping[str, object] | None = None,
    exact: bytes | None = None,
    reason: str | None = None,
) -> Record:
    """Return a record of a payload, whose hash is of its bytes; `stamp` is in minutes."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return Record(
        id=record_id,
        payload=text,
        payload_hash=b"\x01" + hashlib.blake2b(exact or text.encode(), digest_size=16).digest(),
        source_updated_at=None if stamp is None else at(stamp),
        columns=columns or {},
        exact=exact,
        reason=reason,
    )


def page(*records: Record, asked: float = 0, shape: Shape = LISTINGS) -> Page:
    """Return a page that was requested at `asked` minutes."""
    return Page(shape=shape, records=records, observed_at=at(asked))


def write(database: Database, given: Page, owner: Owner = OWNER) -> dict[int, Change]:
    """Write a page in a transaction of its own."""
    return dict(database.transaction(lambda connection: write_page(connection, owner, given)))


def rows_by_id(database: Database, resource: Resource = Resource.LISTINGS) -> dict[int, Any]:
    """Return the stored rows by id, each with the transaction that wrote it."""
    query = sa.select(MIRRORED[resource], sa.literal_column("xmin::text").label("xmin"))
    return database.transaction(lambda connection: {row.id: row for row in connection.execute(query)})
