"""The inbox: every delivery as it came, until its object was read again.

accepted ──→ pending ──→ processed                          ignored: nothing to read again
                └─ read failed ──→ failed  ──→ processed
                                       └─ attempts used up ──→ dead ── retried by a person ──→ pending
"""

from __future__ import annotations

from dataclasses import dataclass
from os import urandom
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.deliveries import REQUEST_ID, RefreshTarget, read_request_id
from hostaway_sync.model.records import Owner, Resource
from hostaway_sync.store import jobs
from hostaway_sync.store.jobs import Job
from hostaway_sync.store.privacy import forgotten
from hostaway_sync.store.tables import accounts, webhook_log
from hostaway_sync.store.time_marks import cap_at_now, null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from hostaway_sync.model.deliveries import Delivery
    from hostaway_sync.store.postgres.database import Database

PENDING, PROCESSED, FAILED, DEAD, IGNORED = "pending", "processed", "failed", "dead", "ignored"
_USUAL_SIZE = 4096  # bytes
_WAITS = webhook_log.c.status.in_([sa.literal_column(f"'{PENDING}'"), sa.literal_column(f"'{FAILED}'")])


def accept_delivery(connection: sa.Connection, delivery: Delivery, *, platform: str) -> None:
    """Store a delivery and defer the job that reads its object; storing it twice does no harm.

    Args:
        connection: its transaction stores both, or neither.
        delivery: an authenticated one; without a target, or `ignored`, it is only stored.
        platform: the sender, as `webhook_log.platform` names it.
    """
    event = delivery.event
    target = None if event.ignored is not None else event.target
    reason = event.ignored or (None if target else "nothing to read again")
    values: dict[str, Any] = {
        "id": delivery.delivery_id,
        "platform": platform,
        "account_id": delivery.account_id,
        "event": event.name,
        "target_resource": event.target.resource.value if event.target else None,
        "object_id": event.target.object_id if event.target else None,
        # The text itself: parsed and serialized again, its numbers could change.
        "payload": sa.cast(sa.literal(delivery.payload, sa.Text), webhook_log.c.payload.type),
        "body": delivery.body,
        "headers": dict(delivery.headers),
        "received_by": delivery.received_by,
        "status": PENDING if target else IGNORED,
        "error": reason,
        "processed_at": None if target else sa.func.now(),
    }
    connection.execute(insert(webhook_log).values(values).on_conflict_do_nothing())
    _leave_out_guests(connection, delivery)
    if target is not None:
        jobs.defer_job(connection, Job(delivery.account_id, target))


def _leave_out_guests(connection: sa.Connection, delivery: Delivery) -> None:
    """Empty a delivery that may be about a forgotten guest; after the insert, which locks the account's row."""
    if forgotten.may_be_about_them(connection, delivery.account_id, delivery.event.target, delivery.payload):
        mine = webhook_log.c.id == delivery.delivery_id
        connection.execute(sa.update(webhook_log).where(mine).values(forgotten.EMPTIED_DELIVERY))


def check_writable(connection: sa.Connection) -> None:
    """Store a delivery without an event and delete it again in the same transaction: no other session sees it.

    A read-only server, a full disk, or a standby that does not answer fails here as it would fail a real delivery. The
    body is as long as a usual one and does not compress, so that a full table does not still fit it. Without an account
    no row is stored, and only the right to store is proven.
    """
    delivery_id = uuid4()
    # An account that no transaction locks: one that is being removed says nothing about the others.
    an_account = sa.select(accounts.c.account_id).limit(1).with_for_update(key_share=True, read=True, skip_locked=True)
    row = an_account.cte("an_account")
    values = {
        "id": sa.literal(delivery_id, sa.Uuid),
        "platform": sa.literal(""),
        "account_id": row.c.account_id,
        "event": sa.literal(""),
        "body": sa.literal(urandom(_USUAL_SIZE), sa.LargeBinary),
        "headers": sa.literal({}, webhook_log.c.headers.type),
        "received_by": sa.literal(""),
        "status": sa.literal(IGNORED),
        "processed_at": sa.func.now(),
    }
    connection.execute(sa.insert(webhook_log).from_select(list(values), sa.select(*values.values())))
    connection.execute(sa.delete(webhook_log).where(webhook_log.c.id == delivery_id))


@dataclass(frozen=True, slots=True)
class WaitingDeliveries:
    """The deliveries that wait for some objects of an account, and the ids of their requests.

    Attributes:
        owner: the owner of the objects; None when the account is disabled.
        deliveries: their ids by the id of their object; an object without any has no entry.
        request_ids: the ids that the receiver answered with.
    """

    owner: Owner | None
    deliveries: dict[int, list[UUID]]
    request_ids: list[str]


def find_waiting(
    database: Database, account_id: int, resource: Resource, object_ids: Sequence[int]
) -> WaitingDeliveries:
    """Return the deliveries that wait for these objects to be read again."""
    query = (
        sa.select(
            webhook_log.c.id,
            webhook_log.c.object_id,
            webhook_log.c.headers[REQUEST_ID].astext.label("given"),
            accounts.c.customer_id,
            accounts.c.is_active,
        )
        .join(accounts, accounts.c.account_id == webhook_log.c.account_id)
        .where(
            webhook_log.c.account_id == account_id,
            webhook_log.c.target_resource == resource.value,
            webhook_log.c.object_id == sa.func.any(sa.literal(list(object_ids), sa.ARRAY(sa.BigInteger))),
            _WAITS,
        )
    )
    rows = database.transaction(lambda connection: connection.execute(query).all(), is_one_statement=True)
    is_active = bool(rows) and rows[0].is_active
    owner = Owner(account_id, rows[0].customer_id) if is_active else None
    request_ids = [read_request_id({REQUEST_ID: row.given or ""}) or str(row.id) for row in rows]
    deliveries: dict[int, list[UUID]] = {}
    for row in rows:
        deliveries.setdefault(row.object_id, []).append(row.id)
    return WaitingDeliveries(owner, deliveries, request_ids)


def mark_processed(database: Database, delivery_ids: Sequence[UUID]) -> None:
    """Mark deliveries as processed: their objects were read after they came."""
    _settle(database, delivery_ids, status=PROCESSED, error=None)


def mark_ignored(database: Database, delivery_ids: Sequence[UUID], *, reason: str) -> None:
    """Mark deliveries as ignored: their objects are not read, for this reason."""
    _settle(database, delivery_ids, status=IGNORED, error=reason)


def record_failure(
    connection: sa.Connection, account_id: int, target: RefreshTarget, error: str, *, until: datetime
) -> int:
    """Record a failed read of an object in the deliveries stored until `until`; return how many wait for it."""
    statement = (
        sa.update(webhook_log)
        .where(*_about(account_id, target), _WAITS, _came_until(until))
        .values(status=FAILED, attempts=webhook_log.c.attempts + 1, error=error)
    )
    return connection.execute(statement).rowcount


@dataclass(frozen=True, slots=True)
class DeliveryEvidence:
    """The number of deliveries that wait for an object, and payload and headers of the newest of them."""

    deliveries: int
    payload: Any
    headers: Any


def find_evidence(
    connection: sa.Connection, account_id: int, target: RefreshTarget, *, until: datetime
) -> DeliveryEvidence | None:
    """Return the deliveries stored until `until` that wait for an object, summed up; None when there are none."""
    newest = (
        sa.select(webhook_log.c.payload, webhook_log.c.headers, sa.func.count().over().label("deliveries"))
        .where(*_about(account_id, target), _WAITS, _came_until(until))
        .order_by(webhook_log.c.created_at.desc())
        .limit(1)
    )
    row = connection.execute(newest).one_or_none()
    return DeliveryEvidence(row.deliveries, row.payload, row.headers) if row else None


def mark_dead(
    connection: sa.Connection, account_id: int, target: RefreshTarget, dead_letter_id: int, *, until: datetime
) -> None:
    """Mark the deliveries of an object stored until `until` as dead: they wait for a person."""
    connection.execute(
        sa.update(webhook_log)
        .where(*_about(account_id, target), _WAITS, _came_until(until))
        .values(status=DEAD, dead_letter_id=dead_letter_id)
    )


def reopen_deliveries(connection: sa.Connection, dead_letter_id: int) -> None:
    """Let the deliveries of a dead letter wait again, with no attempt made."""
    of_it = (webhook_log.c.dead_letter_id == dead_letter_id, webhook_log.c.status == DEAD)
    connection.execute(sa.update(webhook_log).where(*of_it).values(status=PENDING, attempts=0))


def abandon_deliveries(connection: sa.Connection, dead_letter_id: int) -> None:
    """Mark the deliveries of a discarded dead letter as settled; they stay dead."""
    of_it = (webhook_log.c.dead_letter_id == dead_letter_id, webhook_log.c.status == DEAD)
    connection.execute(sa.update(webhook_log).where(*of_it).values(processed_at=sa.func.now()))


def defer_missing_jobs(database: Database, *, limit: int = 1_000) -> int:
    """Defer a job for each object that deliveries wait for without one; return how many, at most `limit`."""
    key = sa.func.concat_ws(
        ":", jobs.REFRESH, webhook_log.c.account_id, webhook_log.c.target_resource, webhook_log.c.object_id
    )
    # In the order of their keys, so that two callers at once do not wait for each other in a circle.
    query = (
        sa.select(webhook_log.c.account_id, webhook_log.c.target_resource, webhook_log.c.object_id)
        .where(_WAITS, key.not_in(jobs.select_unfinished_keys()))
        .group_by(webhook_log.c.account_id, webhook_log.c.target_resource, webhook_log.c.object_id)
        .order_by(sa.collate(key, "C"))
        .limit(limit)
    )

    def write(connection: sa.Connection) -> int:
        forgotten = connection.execute(query).all()
        for row in forgotten:
            jobs.defer_job(connection, Job(row.account_id, RefreshTarget(Resource(row.target_resource), row.object_id)))
        return len(forgotten)

    return database.transaction(write)


def find_oldest_waiting_age(connection: sa.Connection) -> timedelta | None:
    """Return the age of the oldest delivery that was never tried; None when there is none."""
    age = sa.func.clock_timestamp() - sa.func.min(cap_at_now(webhook_log.c.created_at))
    found: timedelta | None = connection.scalar(
        sa.select(age).where(webhook_log.c.status == sa.literal_column("'pending'"))
    )
    return found


def _settle(database: Database, delivery_ids: Sequence[UUID], *, status: str, error: str | None) -> None:
    statement = (
        sa.update(webhook_log)
        .where(webhook_log.c.id == sa.func.any(sa.literal(list(delivery_ids), sa.ARRAY(sa.Uuid))), _WAITS)
        .values(status=status, error=error, processed_at=sa.func.now())
    )
    database.transaction(lambda connection: connection.execute(statement), is_one_statement=True)


def _came_until(moment: datetime) -> sa.ColumnElement[bool]:
    """Whether a delivery was stored until a moment; one from the future counts as such, or it would never end."""
    return sa.func.coalesce(null_if_unknown(webhook_log.c.created_at) <= moment, sa.true())


def _about(account_id: int, target: RefreshTarget) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        webhook_log.c.account_id == account_id,
        webhook_log.c.target_resource == target.resource.value,
        webhook_log.c.object_id == target.object_id,
    )
