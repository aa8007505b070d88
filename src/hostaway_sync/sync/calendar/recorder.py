"""Where the days that were read go: into the tables, or only into counts in a dry run."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeVar

from hostaway_sync.model.records import Change, ChangeCounts, QualityCounts, Resource
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.calendar import days, marks, readings
from hostaway_sync.store.privacy import payload_rule
from hostaway_sync.store.records import upsert
from hostaway_sync.sync.calendar import plan
from hostaway_sync.sync.calendar.reading import AnswerSink
from hostaway_sync.sync.reporting.run_log import write_span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from hostaway_sync.model.calendar.days import CalendarAnswer, CheckedDays, Days, ListingReading
    from hostaway_sync.model.history.causes import Cause
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.calendar.plan import CalendarOptions, CalendarTask

T = TypeVar("T")


class Write(Protocol):
    """Does work in a transaction that may be refused."""

    def __call__(self, work: Callable[[Connection], T]) -> T:
        """Return what the work returns."""
        ...


class CalendarRecorder(AnswerSink, Protocol):
    """Takes what was read of calendars, from several threads at once."""

    def record_refusal(self, task: CalendarTask, refusal: str, now: datetime) -> None:
        """Store that the source refused the calendar of a listing."""
        ...

    def count(self) -> tuple[ChangeCounts, QualityCounts]:
        """Count the days so far, and the values among them that fit no column."""
        ...


class TableCalendarRecorder:
    """Writes each answer in a transaction of its own, with all else where it is the only one of its task.

    It implements `CalendarRecorder`.

    Args:
        write: does work in a transaction that may be refused; see `FencedWrites.write`.
        account_id: whose listings.
        options: of the mirror.
        cause: what the history names as the cause of changes; None: what `write` names.
    """

    def __init__(self, write: Write, account_id: int, options: CalendarOptions, *, cause: Cause | None = None) -> None:
        self._write = write
        self._cause = cause
        self._account_id = account_id
        self._options = options
        self._counts: Counter[Change] = Counter()
        self._unusable: set[tuple[int, bytes]] = set()
        self._misfits = 0
        self._lock = threading.Lock()

    def record_days(self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays) -> bool:
        """Write the days that changed, unless a newer answer was stored before."""
        return self._store(task, answer, checked)

    def record_only_answer(
        self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays, missing: Sequence[Days]
    ) -> int | None:
        """Write the days that changed, and close the task in the same transaction: it costs half as much."""
        whole, lacking = self._judge(task, missing, answer.observed_at)
        return lacking if self._store(task, answer, checked, whole=whole, is_cleared=not lacking) else None

    def close_task(self, task: CalendarTask, missing: Sequence[Days], asked_at: datetime) -> int:
        """Clear the mark of a listing whose days all came, and store the next turn of one that was read whole."""
        whole, lacking = self._judge(task, missing, asked_at)

        def write(connection: Connection) -> None:
            if whole is not None:
                readings.record_whole_reading(connection, self._account_id, whole)
            if not lacking:
                self._clear_mark(connection, task, asked_at)

        self._write(write)
        return lacking

    def _store(
        self,
        task: CalendarTask,
        answer: CalendarAnswer,
        checked: CheckedDays,
        *,
        whole: ListingReading | None = None,
        is_cleared: bool = False,
    ) -> bool:
        account_id, listing_id, asked_at = self._account_id, task.reading.listing_id, answer.observed_at

        def write(connection: Connection) -> tuple[Counter[Change], int] | None:
            owner = account_owner.lock_owner(
                connection,
                account_id,
                Resource.CALENDAR,
                keeps_prices=self._options.keeps_price_changes,
                cause=self._cause,
            )
            if not readings.lock_reading(connection, account_id, listing_id, asked_at, whole=whole):
                return None
            if is_cleared:
                self._clear_mark(connection, task, asked_at)
            if answer.unusable:
                payload_rule.guard_days(connection, (entry.payload_hash for entry in answer.unusable))
                upsert.quarantine(connection, account_id, Resource.CALENDAR, answer.unusable)
            return days.store_days(connection, owner, listing_id, checked.days, asked_at)

        with write_span(Resource.CALENDAR):
            stored = self._write(write)
        if stored is None:
            return False
        with self._lock:
            self._unusable |= _list_unusable(listing_id, answer)
            self._counts.update(stored[0])
            self._misfits += stored[1]
        return True

    def _judge(
        self, task: CalendarTask, missing: Sequence[Days], asked_at: datetime
    ) -> tuple[ListingReading | None, int]:
        """Return what a reading of all days shows, None for one of some days, and how many days did not come."""
        if not task.is_whole:
            return None, sum(map(len, missing))
        period = plan.choose_period(task.reading, self._options)
        turn = plan.choose_next_turn(self._account_id, task.reading, asked_at, period)
        whole = plan.judge_whole_reading(task, missing, asked_at, turn)
        return whole, whole.missing_days

    def _clear_mark(self, connection: Connection, task: CalendarTask, asked_at: datetime) -> None:
        first = None if task.days.first == task.mirrored.first else task.days.first
        last = None if task.days.last == task.mirrored.last else task.days.last
        marks.clear_mark(
            connection, self._account_id, task.reading.listing_id, first=first, last=last, asked_at=asked_at
        )

    def record_refusal(self, task: CalendarTask, refusal: str, now: datetime) -> None:
        """Store the refusal; the calendar is asked for again a week later."""
        turn = now + max(plan.REFUSED_PERIOD, self._options.period)
        self._write(
            lambda connection: readings.record_refusal(
                connection, self._account_id, task.reading.listing_id, refusal, turn
            )
        )

    def count(self) -> tuple[ChangeCounts, QualityCounts]:
        """Count the days that were stored so far."""
        with self._lock:
            return _as_counts(self._counts, self._unusable), QualityCounts(misfits=self._misfits)


class DryCalendarRecorder:
    """Compares days with their rows, and counts; implements `CalendarRecorder`."""

    def __init__(self, database: Database, account_id: int) -> None:
        self._database = database
        self._account_id = account_id
        self._counts: Counter[Change] = Counter()
        self._unusable: set[tuple[int, bytes]] = set()
        self._lock = threading.Lock()

    def record_days(self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays) -> bool:
        """Compare the days of one answer."""
        changes = self._database.transaction(
            lambda connection: days.compare_days(connection, self._account_id, task.reading.listing_id, checked.days)
        )
        with self._lock:
            self._unusable |= _list_unusable(task.reading.listing_id, answer)
            self._counts.update(changes.values())
        return True

    def record_only_answer(
        self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays, missing: Sequence[Days]
    ) -> int | None:
        """Compare the days of an answer; return how many did not come."""
        self.record_days(task, answer, checked)
        return self.close_task(task, missing, answer.observed_at)

    def close_task(self, task: CalendarTask, missing: Sequence[Days], asked_at: datetime) -> int:
        """Return how many days did not come."""
        del task, asked_at
        return sum(map(len, missing))

    def record_refusal(self, task: CalendarTask, refusal: str, now: datetime) -> None:
        """Do nothing."""

    def count(self) -> tuple[ChangeCounts, QualityCounts]:
        """Count the days that were compared so far."""
        with self._lock:
            return _as_counts(self._counts, self._unusable), QualityCounts()


def _list_unusable(listing_id: int, answer: CalendarAnswer) -> set[tuple[int, bytes]]:
    """Return the unusable entries of an answer: of a listing that is asked again in parts, each counts once."""
    return {(listing_id, entry.payload_hash) for entry in answer.unusable}


def _as_counts(changes: Counter[Change], unusable: Collection[tuple[int, bytes]]) -> ChangeCounts:
    by_name = {change.value: changes[change] for change in Change}
    by_name[Change.QUARANTINED.value] = len(unusable)
    return ChangeCounts(seen=sum(by_name.values()), **by_name)
