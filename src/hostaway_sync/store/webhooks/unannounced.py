"""Finds changes that the source should have announced by a webhook, among those that a run met.

The source does not announce what a host writes, and not always a payment; both move a reservation's stamps, and so do
its own jobs at night. So a moved stamp proves nothing. A change counts when the reservation is new, or has another
status, listing, channel or dates: it was booked differently. Inquiries do not count, because some are never announced.
Neither do changes stamped before the source had our address, or before the last reading.

A change that a run met is no fault yet: its delivery may be on its way, or wait for a worker. It is judged an hour
after it was found, when the source has made its last attempt. Any delivery about the reservation since the change, or
shortly before it, announces it: the source moves stamps more than once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from hostaway_sync.model.records import Change, Resource
from hostaway_sync.model.status import AnnouncementCounts
from hostaway_sync.store.tables import accounts, polled_changes, reservations, watermarks, webhook_log
from hostaway_sync.store.time_marks import is_within, null_if_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from hostaway_sync.model.records import Page, Record
    from hostaway_sync.store.postgres.database import Database

AUDIT: Final = "audit"
"""`webhook_log.platform` of a delivery that did not come, and was stored because the source's log names it."""

_BOOKED: Final = ("status", "listing_id", "channel_id", "arrival_date", "departure_date")
_KEPT_FOR: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_LATEST_DELIVERY: Final = timedelta(hours=1)
_STAMP_MOVES_WITHIN: Final = timedelta(minutes=5)


def find_announced_since(database: Database, account_id: int) -> datetime | None:
    """Return the stamp after which a change is new here and should be announced.

    None when the source does not have our address, or when the reservations were never read whole: all are new then.
    """
    is_known = (watermarks.c.account_id == accounts.c.account_id) & (
        watermarks.c.resource == Resource.RESERVATIONS.value
    )
    query = (
        sa.select(
            sa.func.greatest(
                null_if_unknown(accounts.c.webhook_confirmed_at), null_if_unknown(watermarks.c.watermark_at)
            )
        )
        .join(watermarks, is_known)
        .where(accounts.c.account_id == account_id, accounts.c.webhook_confirmed_at.is_not(None))
    )
    found: datetime | None = database.transaction(lambda connection: connection.scalar(query))
    return found


class ChangeWatch:
    """The changes of one page of reservations; create it before the page is written.

    Args:
        connection: of the transaction that writes the page.
        account_id: the account of the page.
        page: of reservations.
        since: the stamp after which changes should be announced.
    """

    def __init__(self, connection: sa.Connection, account_id: int, page: Page, *, since: datetime) -> None:
        self._connection = connection
        self._account_id = account_id
        self._records = {record.id: record for record in page.records if _is_announced(record, page, since)}
        self._before = self._booked() if self._records else {}

    def note(self, changes: Iterable[tuple[int, Change]]) -> None:
        """Store the changes that should be announced; call it after the page was written."""
        written = (number for number, change in changes if change in {Change.INSERTED, Change.UPDATED})
        moved = [number for number in written if number in self._records and self._has_moved(number)]
        if not moved:
            return
        rows = [
            {
                "account_id": self._account_id,
                "reservation_id": number,
                "changed_at": self._records[number].source_updated_at,
            }
            for number in moved
        ]
        self._connection.execute(insert(polled_changes).on_conflict_do_nothing(), rows)
        old = (polled_changes.c.account_id == self._account_id, polled_changes.c.found_at < sa.func.now() - _KEPT_FOR)
        self._connection.execute(sa.delete(polled_changes).where(*old))

    def _has_moved(self, number: int) -> bool:
        return self._before.get(number) != tuple(self._records[number].columns.get(name) for name in _BOOKED)

    def _booked(self) -> dict[int, tuple[Any, ...]]:
        query = sa.select(reservations.c.id, *(reservations.c[name] for name in _BOOKED)).where(
            reservations.c.account_id == self._account_id,
            reservations.c.id == sa.func.any(sa.literal(list(self._records), sa.ARRAY(sa.BigInteger))),
        )
        return {number: tuple(booked) for number, *booked in self._connection.execute(query)}


def watch_page(connection: sa.Connection, account_id: int, page: Page, *, since: datetime | None) -> ChangeWatch | None:
    """Return the watch of a page that is about to be written; None when no change of it is ever announced."""
    if since is None or page.shape.resource is not Resource.RESERVATIONS:
        return None
    return ChangeWatch(connection, account_id, page, since=since)


def count_silences(connection: sa.Connection, account_id: int | None) -> dict[int, AnnouncementCounts]:
    """Count by account the reservations changed in the last day, announced or not; without any: no entry."""
    came = sa.exists().where(
        webhook_log.c.account_id == polled_changes.c.account_id,
        webhook_log.c.target_resource == Resource.RESERVATIONS.value,
        webhook_log.c.object_id == polled_changes.c.reservation_id,
        webhook_log.c.platform != AUDIT,
        webhook_log.c.created_at >= polled_changes.c.changed_at - _STAMP_MOVES_WITHIN,
    )
    silent = (
        sa.select(
            polled_changes.c.account_id, sa.func.count(polled_changes.c.reservation_id.distinct()).label("unannounced")
        )
        .join(accounts, accounts.c.account_id == polled_changes.c.account_id)
        .where(
            # Changes from before the last registration belonged to the registration before it.
            sa.func.coalesce(polled_changes.c.changed_at > null_if_unknown(accounts.c.webhook_confirmed_at), sa.true()),
            polled_changes.c.found_at.between(sa.func.now() - _DAY, sa.func.now() - _LATEST_DELIVERY),
            ~came,
        )
        .group_by(polled_changes.c.account_id)
    )
    if account_id is not None:
        silent = silent.where(polled_changes.c.account_id == account_id)
    counted = silent.cte("silent")
    announced = (
        sa.select(sa.func.count(webhook_log.c.object_id.distinct()))
        .where(
            webhook_log.c.account_id == counted.c.account_id,
            is_within(webhook_log.c.created_at, _DAY),
            webhook_log.c.target_resource == Resource.RESERVATIONS.value,
            webhook_log.c.platform != AUDIT,
        )
        .scalar_subquery()
    )
    rows: Sequence[Any] = connection.execute(sa.select(counted, announced)).all()
    return {number: AnnouncementCounts(unannounced, heard) for number, unannounced, heard in rows}


def _is_announced(record: Record, page: Page, since: datetime) -> bool:
    status = record.columns.get("status")
    is_inquiry = isinstance(status, str) and status.startswith(page.shape.vocabulary.unannounced_statuses)
    stamp = record.source_updated_at
    return record.id is not None and stamp is not None and stamp > since and not is_inquiry
