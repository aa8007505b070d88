"""Compares the deliveries in the source's log with those that came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.deliveries import Delivery, Event, RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.store.tables import conversation_messages, delivery_audits, webhook_log
from hostaway_sync.store.time_marks import null_if_unknown
from hostaway_sync.store.webhooks import inbox
from hostaway_sync.store.webhooks.unannounced import AUDIT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from hostaway_sync.model.deliveries import DeliveryAudit
    from hostaway_sync.store.postgres.database import Database

# The source may write an entry some time after its delivery came.
_WRITTEN_WITHIN: Final = timedelta(hours=1)
_NAMESPACE: Final = UUID("6f1d2c1e-6a53-4d0c-9a7e-3c5f0b8f7a11")


@dataclass(frozen=True, slots=True)
class PastAudit:
    """The last audit of an account: its time, whether the source has a log, and the highest entry seen in it."""

    audited_at: datetime | None
    has_log: bool
    last_entry: int | None


@dataclass(frozen=True, slots=True)
class LostDelivery:
    """A delivery that did not come: its entry in the source's log, and the object it is about."""

    entry_id: int
    target: RefreshTarget


def find_last_audit(database: Database, account_id: int) -> PastAudit | None:
    """Return the last audit of an account; None when there was none."""
    kept = (null_if_unknown(delivery_audits.c.audited_at), delivery_audits.c.has_log, delivery_audits.c.last_entry)
    query = sa.select(*kept).where(delivery_audits.c.account_id == account_id)
    row = database.transaction(lambda connection: connection.execute(query).one_or_none())
    return PastAudit(*row) if row else None


def list_delivered_targets(database: Database, account_id: int, *, since: datetime) -> set[RefreshTarget]:
    """Return the objects of the deliveries that came since `since`, or up to an hour before it."""
    query = (
        sa.select(webhook_log.c.target_resource, webhook_log.c.object_id)
        .where(
            webhook_log.c.account_id == account_id,
            webhook_log.c.created_at >= since - _WRITTEN_WITHIN,
            webhook_log.c.object_id.is_not(None),
            webhook_log.c.platform != AUDIT,
        )
        .distinct()
    )
    rows = database.transaction(lambda connection: connection.execute(query).all())
    return {RefreshTarget(Resource(row.target_resource), row.object_id) for row in rows}


def find_stored_messages(database: Database, account_id: int, message_ids: Collection[int]) -> set[int]:
    """Return the ids of those messages that are mirrored."""
    query = sa.select(conversation_messages.c.id).where(
        conversation_messages.c.account_id == account_id,
        conversation_messages.c.id == sa.func.any(sa.literal(list(message_ids), sa.ARRAY(sa.BigInteger))),
    )
    return set(database.transaction(lambda connection: connection.scalars(query).all()))


def store_audit(
    database: Database,
    account_id: int,
    audit: DeliveryAudit,
    *,
    last_entry: int | None,
    lost: Iterable[LostDelivery],
    here: str,
) -> None:
    """Store an audit in place of the last one, and a delivery for each lost one, in one transaction.

    Args:
        database: with the inbox.
        account_id: the audited account.
        audit: its result.
        last_entry: the highest entry that was read.
        lost: deliveries whose objects are to be read again.
        here: this host, for `webhook_log.received_by`.
    """
    values = {
        "audited_at": sa.func.now(),
        "has_log": audit.has_log,
        "last_entry": last_entry,
        "announced": audit.announced,
        "lost": audit.lost,
    }

    def write_all(connection: sa.Connection) -> None:
        for one in lost:
            inbox.accept_delivery(connection, _as_delivery(account_id, one, here), platform=AUDIT)
        statement = insert(delivery_audits).values(account_id=account_id, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=values))

    database.transaction(write_all)


def _as_delivery(account_id: int, lost: LostDelivery, here: str) -> Delivery:
    return Delivery(
        # The same id for the same entry, so that two audits at once store its delivery once.
        delivery_id=uuid5(_NAMESPACE, f"{account_id}:{lost.entry_id}"),
        account_id=account_id,
        event=Event("lost delivery", lost.target, None, None),
        body=b"",
        payload=None,
        headers={},
        received_by=here,
    )
