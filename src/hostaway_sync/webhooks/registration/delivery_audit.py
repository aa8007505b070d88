"""Compare the platform's log of deliveries with those that arrived, and read the objects of lost ones again.

The log is a hint like any delivery. An object counts as lost when the newest entry about it tells that the delivery
failed; or when it tells that it succeeded, and yet nothing about the object arrived since the last audit. The first
audit, which has no such past, believes what the log tells of itself.

A message is announced by its own id, by which it cannot be read; what counts is whether it is mirrored. If it is not,
the next run reads its thread, because its reservation has moved.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from hostaway_sync.model.deliveries import DeliveryAudit
from hostaway_sync.model.records import Resource
from hostaway_sync.store.webhooks import delivery_audits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from hostaway_sync.model.deliveries import DeliveryLogEntry, RefreshTarget, WebhookApi
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.webhooks.credentials import StoredHook


def audit_deliveries(database: Database, webhook_api: WebhookApi, stored: StoredHook, prefix: str) -> DeliveryAudit:
    """DeliveryAudit the deliveries to an account, and defer jobs for the lost ones.

    Args:
        database: with the inbox.
        webhook_api: of the account.
        stored: its registration.
        prefix: the beginning of every URL that this program ever registered for the account.

    Raises:
        SourceError: the log cannot be read now.
    """
    account_id = stored.account_id
    before = delivery_audits.find_last_audit(database, account_id)
    last_entry = before.last_entry if before else None
    log = webhook_api.read_delivery_log(stored.hook_id, after=last_entry)
    is_first = before is None or before.has_log is not (log is not None)
    if log is None:
        found = DeliveryAudit(has_log=False, is_first=is_first)
        delivery_audits.store_audit(database, account_id, found, last_entry=last_entry, lost=(), here="")
        return found
    entries = select_newest_entries(log.entries, stored.hook_id, prefix, after=last_entry)
    arrived_since = None if before is None or is_first else before.audited_at
    arrived = (
        None
        if arrived_since is None
        else delivery_audits.list_delivered_targets(database, account_id, since=arrived_since)
    )
    messages = {target.object_id for target in entries if target.resource is Resource.MESSAGES}
    known = delivery_audits.find_stored_messages(database, account_id, messages)
    lost = [entry for entry in entries.values() if is_lost(entry, arrived, known)]
    found = DeliveryAudit(
        has_log=True, announced=len(entries), lost=len(lost), is_whole=log.is_whole, is_first=is_first
    )
    delivery_audits.store_audit(
        database,
        account_id,
        found,
        last_entry=max([entry.entry_id for entry in log.entries] + [last_entry or 0]) or None,
        lost=[
            delivery_audits.LostDelivery(entry.entry_id, entry.target)
            for entry in lost
            if entry.target is not None and entry.target.resource is not Resource.MESSAGES
        ],
        here=socket.gethostname(),
    )
    return found


def select_newest_entries(
    entries: Iterable[DeliveryLogEntry], hook_id: int | None, prefix: str, *, after: int | None
) -> dict[RefreshTarget, DeliveryLogEntry]:
    """Return the last entry about each object, of entries about our registration with a higher id than `after`."""
    found: dict[RefreshTarget, DeliveryLogEntry] = {}
    for entry in sorted(entries, key=lambda entry: entry.entry_id):
        is_new = after is None or entry.entry_id > after
        if entry.target is not None and is_new and _is_ours(entry, hook_id, prefix):
            found[entry.target] = entry
    return found


def is_lost(entry: DeliveryLogEntry, arrived: Collection[RefreshTarget] | None, known: Collection[int]) -> bool:
    """Whether a delivery was lost.

    Args:
        entry: the newest about its object.
        arrived: the objects of deliveries that arrived since the last audit; None: there was no such audit.
        known: ids of messages that are mirrored.
    """
    if entry.target is None:
        return False
    if entry.target.resource is Resource.MESSAGES:
        return entry.was_accepted is False and entry.target.object_id not in known
    return entry.was_accepted is False or (arrived is not None and entry.target not in arrived)


def _is_ours(entry: DeliveryLogEntry, hook_id: int | None, prefix: str) -> bool:
    if not entry.url and entry.hook_id is None:
        return True
    return entry.url.startswith(prefix) or (entry.hook_id is not None and entry.hook_id == hook_id)
