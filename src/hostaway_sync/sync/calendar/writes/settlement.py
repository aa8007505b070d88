"""Settles open writes by their days: right after a request, and those that a process left when it died."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import SourceError
from hostaway_sync.model.calendar.writes import WriteState
from hostaway_sync.store.calendar import writes as ledger
from hostaway_sync.store.processes import rights
from hostaway_sync.store.processes.names import has_died
from hostaway_sync.sync.calendar.writes import decision

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from hostaway_sync.model.calendar.writes import CalendarWrite
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.calendar.writes.live_days import LiveDays

WHY: Final = "calendar: was it written?"

log = logging.getLogger(__name__)


def settle_by_days(
    database: Database,
    live: LiveDays,
    write: CalendarWrite,
    taken: Collection[str],
    *,
    reason: str,
    was_answered: bool = False,
) -> CalendarWrite:
    """Read the days of an open write, and settle it by what they show; return its row.

    Args:
        database: with the ledger.
        live: reads the days.
        write: the process that calls holds the right to write its listing.
        taken: statuses of days that a stay takes.
        reason: what its request met; it stands before what the days show.
        was_answered: the source answered the request, so that it takes effect no more.

    Raises:
        StoreError: the database is away; the row stays open.
    """
    now = database.transaction(ledger.read_clock)
    may_come_late = not was_answered and decision.may_come_late(write, now)
    try:
        shown = live.read(write.listing_id, write.days, why=WHY, write_id=write.write_id)
    except SourceError as error:
        unread = f"{reason}; its days could not be read: {error}"
        return _record_unknown(database, write, unread)
    settlement = decision.settle(write, shown, taken, may_come_late=may_come_late)
    if settlement is None:
        return _record_unknown(database, write, f"{reason}; the source did not show all of its days")
    if settlement.state is WriteState.OUTCOME_UNKNOWN:
        return _record_unknown(database, write, f"{reason}; {settlement.error}")
    if settlement.state is WriteState.FAILED:
        settlement = decision.Settlement(settlement.state, f"{reason}; {settlement.error}")
    record = partial(ledger.record_settlement, write=write, state=settlement.state, error=settlement.error)
    return database.transaction(record)


def settle_open_writes(
    database: Database, live: LiveDays, account_id: int, taken: Collection[str], *, listing_id: int | None = None
) -> list[CalendarWrite]:
    """Settle the writes that processes left open; return those whose state changed.

    A write whose process may still be at work is left to it, and so is one of a listing that another process writes.

    Args:
        database: with the ledger.
        live: reads the days.
        account_id: whose writes.
        taken: statuses of days that a stay takes.
        listing_id: only those of this listing; None: of all.
    """
    find = partial(ledger.list_open, account_id=account_id, listing_id=listing_id)
    changed: list[CalendarWrite] = []
    for number in sorted({write.listing_id for write in database.transaction(find)}):
        right = ledger.right_name(account_id, number)
        was_released = database.transaction(partial(rights.read_claim, right=right)) is None
        with database.claim(right) as is_ours:
            if is_ours:
                settle = partial(settle_claimed, database, live, account_id, taken)
                changed += settle(listing_id=number, was_released=was_released)
    return changed


def settle_claimed(
    database: Database,
    live: LiveDays,
    account_id: int,
    taken: Collection[str],
    *,
    listing_id: int,
    was_released: bool,
) -> list[CalendarWrite]:
    """Settle the open writes of a listing whose right this process holds; return those whose state changed."""

    def find(connection: Connection) -> list[CalendarWrite]:
        now = ledger.read_clock(connection)
        return [
            write
            for write in ledger.list_open(connection, account_id, listing_id)
            if not decision.may_be_under_way(
                write,
                has_died=has_died(write.owner),
                was_released=was_released,
                since_mark=None if write.sending_at is None else now - write.sending_at,
            )
        ]

    changed: list[CalendarWrite] = []
    for write in database.transaction(find):
        # Of a write that was looked at before, what its request met stands first in its sentence.
        met = (write.error or "").partition("; ")[0] or "its process died"
        settled = settle_by_days(database, live, write, taken, reason=met)
        if settled.state is not write.state:
            changed.append(settled)
            _log_settlement(settled)
    return changed


def _record_unknown(database: Database, write: CalendarWrite, error: str) -> CalendarWrite:
    return database.transaction(partial(ledger.record_unknown, write=write, error=error))


def _log_settlement(write: CalendarWrite) -> None:
    where = f"account {write.account_id}: calendar write {write.write_id} of listing {write.listing_id}"
    if write.state is WriteState.DONE:
        log.info("%s was carried out: all of its days show it", where)
    else:
        log.warning("%s: %s: %s", where, write.state.value, write.error)
