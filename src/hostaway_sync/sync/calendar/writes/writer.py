"""Writes days of one listing: compared with the mirror, written down, requested once, read back."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import (
    HostawaySyncError,
    SourceError,
    SourceUnavailable,
    StoreError,
    WriteRefused,
    WriteUnsettled,
)
from hostaway_sync.model.calendar.listing_calendar import StoredDay
from hostaway_sync.model.calendar.writes import WriteState, pick_values
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.calendar import writes as ledger
from hostaway_sync.store.processes import rights
from hostaway_sync.store.processes.names import name_this_process
from hostaway_sync.sync.calendar.writes import decision
from hostaway_sync.sync.calendar.writes.settlement import settle_by_days, settle_claimed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from hostaway_sync.model.calendar.writes import CalendarApi, CalendarWrite, WriteRequest
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.calendar.writes.decision import ChangedDay
    from hostaway_sync.sync.calendar.writes.live_days import LiveDays


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """The outcome of a call that writes.

    Attributes:
        write: the row in the ledger; None: nothing was sent, because days have changed.
        changed: these days, as the mirror had them and as they are.
        shown: the days as the mirror has them now, ascending.
    """

    write: CalendarWrite | None
    changed: tuple[ChangedDay, ...] = ()
    shown: tuple[StoredDay, ...] = ()


class CalendarWriter:
    """Writes the calendars of one account.

    Args:
        database: with the ledger.
        calendar_api: of the account.
        live: reads days of the account, and stores them.
        account_id: whose listings.
        taken: statuses of days that a stay takes.
    """

    def __init__(
        self, database: Database, calendar_api: CalendarApi, live: LiveDays, account_id: int, taken: Collection[str]
    ) -> None:
        self._database = database
        self._calendar_api = calendar_api
        self._live = live
        self._account_id = account_id
        self._taken = taken

    def write(self, request: WriteRequest, seen: Iterable[StoredDay]) -> WriteOutcome:
        """Write days, unless they have changed since they were seen.

        Args:
            request: what is asked for.
            seen: its days as the mirror showed them to who asks; what was read since then, nobody has decided on.

        Raises:
            WriteRefused: another process writes this calendar.
            WriteUnsettled: an earlier write of this calendar may still be under way.
            AccountError: the account was disabled meanwhile.
            SourceError: the days could not be read; nothing was sent.
            StoreError: the database is away; what left is settled later.
        """
        listing_id = request.listing_id
        right = ledger.right_name(self._account_id, listing_id)
        was_released = self._database.transaction(partial(rights.read_claim, right=right)) is None
        with self._database.claim(right) as is_ours:
            if not is_ours:
                raise WriteRefused(
                    f"another process writes the calendar of listing {listing_id} now: nothing was sent; look at what "
                    "it wrote, then try again"
                )
            self._settle_first(listing_id, was_released=was_released)
            mirrored = {day.date: day for day in seen if day != StoredDay(day.date)}
            live = self._live.read(listing_id, request.days, why="calendar: has it changed before it is written?")
            lacking = [day for day in request.days.list_days() if day not in live]
            if lacking:
                raise SourceUnavailable(
                    f"the source does not show {len(lacking):,} of these days of listing {listing_id}: "
                    f"{decision.describe_dates(lacking)}; nothing was sent"
                )
            days = [live[day] for day in sorted(live)]
            changed = decision.find_changed_days(mirrored, days, request.values, self._taken)
            if changed:
                return WriteOutcome(None, changed)
            write = self._send_and_record(request, days)
            stored = self._live.stored(listing_id, request.days)
            return WriteOutcome(write, shown=tuple(stored[day] for day in sorted(stored)))

    def _settle_first(self, listing_id: int, *, was_released: bool) -> None:
        """Settle what earlier writes of this listing left open.

        Raises:
            WriteUnsettled: one may still be under way.
        """
        settle_claimed(
            self._database,
            self._live,
            self._account_id,
            self._taken,
            listing_id=listing_id,
            was_released=was_released,
        )
        find = partial(ledger.list_open, account_id=self._account_id, listing_id=listing_id)
        left = self._database.transaction(find)
        if left:
            raise WriteUnsettled(
                f"whether write {left[0].write_id} of listing {listing_id} was carried out is not known "
                f"({left[0].error or 'its process may still be at work'}): nothing was sent; try again in a while"
            )

    def _send_and_record(self, request: WriteRequest, days: list[StoredDay]) -> CalendarWrite:
        """Store the intent, send its one request, and settle it; when that is interrupted, record how far it came."""
        owner = name_this_process()

        def begin(connection: Connection) -> CalendarWrite:
            account_owner.lock_owner(connection, self._account_id)
            return ledger.insert_write(
                connection,
                account_id=self._account_id,
                listing_id=request.listing_id,
                days=request.days,
                new=request.values,
                old={day.date: pick_values(day, tuple(request.values)) for day in days},
                owner=owner,
            )

        write = self._database.transaction(begin)
        try:
            return self._request(write)
        except StoreError:
            raise
        except BaseException as error:
            # A signal, or an account that was disabled: only this process knows how far the request came.
            if not isinstance(error, Exception):
                self._database.fail_fast()
            why = str(error) if isinstance(error, HostawaySyncError) else "stopped by a signal"
            with suppress(HostawaySyncError):
                self._database.transaction(partial(ledger.record_interruption, write=write, error=why))
            raise

    def _request(self, write: CalendarWrite) -> CalendarWrite:
        marked = write

        def leave() -> None:
            nonlocal marked
            marked = self._mark_sending(write)

        answer = self._calendar_api.write_days(write.listing_id, write.days, write.new, before_send=leave)
        if not answer.was_accepted and not answer.may_be_done:
            if answer.fault is not None and not isinstance(answer.fault, SourceError):
                raise answer.fault
            refused = partial(ledger.record_unsent, write=write, error=answer.error or "it was refused")
            return self._database.transaction(refused)
        reason = "the source accepted it" if answer.was_accepted else (answer.error or "it was not answered")
        return settle_by_days(
            self._database, self._live, marked, self._taken, reason=reason, was_answered=answer.was_answered
        )

    def _mark_sending(self, write: CalendarWrite) -> CalendarWrite:
        """Return a row that was marked as sending, the instant before its request leaves.

        Raises:
            SourceUnavailable: marking took so long that other processes may believe that this one died.
        """
        began = _seconds_since_boot()
        marked = self._database.transaction(partial(ledger.mark_sending, write=write))
        if timedelta(seconds=_seconds_since_boot() - began) > decision.LEAVES_WITHIN:
            raise SourceUnavailable("this process was held up just before the request left: nothing was sent")
        return marked


def _seconds_since_boot() -> float:
    """Return a time that goes on while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def describe_outcome(write: CalendarWrite) -> HostawaySyncError | None:
    """Return what an operator must know of a write that did not end well; None: all of its days show it."""
    head = f"write {write.write_id} of listing {write.listing_id}"
    if write.state is WriteState.DONE:
        return None
    if write.state is WriteState.PARTIAL:
        return WriteRefused(f"{head} was carried out in part: {write.error}; `calendar show` has the days as they are")
    if write.state is WriteState.FAILED:
        return WriteRefused(f"{head} was not carried out, and may be tried again: {write.error}")
    return WriteUnsettled(
        f"whether {head} was carried out is not known ({write.error}): nothing is sent again; the next sync, or the "
        "next write of this calendar, reads its days"
    )
