"""Compare the calendars of an account with the source: one request a listing, and another for days that differ."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import SourceError
from hostaway_sync.model.calendar.days import Days, check_answer
from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.model.records import Change, ChangeCounts, QualityCounts, Resource
from hostaway_sync.store.accounts import owner as account_owner
from hostaway_sync.store.calendar import days, readings, wrong_days
from hostaway_sync.sync.calendar import plan
from hostaway_sync.sync.calendar.plan import CalendarTask
from hostaway_sync.sync.calendar.run import read_tasks
from hostaway_sync.sync.recording.fenced_writes import FencedWrites
from hostaway_sync.sync.run_context import RunContext
from hostaway_sync.sync.verify.certificate import Findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date, datetime

    from sqlalchemy import Connection

    from hostaway_sync.model.calendar.days import CalendarAnswer, CalendarDay, CheckedDays, ListingReading
    from hostaway_sync.model.records import Source
    from hostaway_sync.store.calendar.wrong_days import WrongDay
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.runs.leases import Lease
    from hostaway_sync.sync.calendar.plan import CalendarOptions
    from hostaway_sync.sync.calendar.recorder import CalendarRecorder
    from hostaway_sync.sync.progress import Progress

_IDS_SHOWN: Final = 20
# A row may be written anew while its day is read again; after so many times the rest counts as it is.
_READ_AGAIN: Final = 3
_WHY: Final = "verify: compare a calendar"
_WHY_AGAIN: Final = "verify: a day differs; read again before it counts"


def compare_calendars(
    database: Database,
    lease: Lease,
    source: Source,
    options: CalendarOptions,
    progress: Progress,
    *,
    in_flight: int,
    repair: bool,
) -> tuple[Findings, int]:
    """Compare each live listing's days with their rows; return what was found, and how many days were repaired.

    Raises:
        LeaseLost: another run took over.
    """
    account_id = lease.account_id
    known, now = readings.find_readings(database, account_id, options.archived)
    last = database.transaction(lambda connection: wrong_days.find_last_days(connection, account_id))
    mirrored = plan.list_mirrored_days(now, options.horizon)
    tasks = list(_list_tasks(known, mirrored, last))
    recorder = CalendarComparison(database, lease, source, options, repair=repair)
    context: RunContext[CalendarRecorder] = RunContext(account_id, Resource.CALENDAR, source, recorder, progress)
    try:
        error = read_tasks(context, tasks, now, in_flight).describe()
    except SourceError as failure:
        error = str(failure)
    return recorder.sum_up(error), recorder.repaired


def _list_tasks(known: Iterable[ListingReading], mirrored: Days, last: Mapping[int, date]) -> Iterable[CalendarTask]:
    """Yield the days of each listing that should have a row: up to where its last whole reading or its rows end.

    What is beyond came into view since then, and the next turn brings it. A listing that was never read lacks all.
    """
    for reading in known:
        ends = [day for day in (reading.known_until, last.get(reading.listing_id)) if day is not None]
        until = max(ends, default=mirrored.last) if reading.read_at else mirrored.last
        asked = Days(mirrored.first, max(mirrored.first, min(mirrored.last, until)))
        yield CalendarTask(reading, asked, asked, _WHY)


class CalendarComparison:
    """Compares answers with rows, and writes those that differ where a repair is wanted; implements `CalendarRecorder`.

    It neither sets nor clears a mark, and moves no turn.
    """

    def __init__(
        self, database: Database, lease: Lease, source: Source, options: CalendarOptions, *, repair: bool
    ) -> None:
        self._options = options
        self._writes = FencedWrites(database, lease, Cause(CauseKind.VERIFY))
        self._account_id = lease.account_id
        self._source = source
        self._repair = repair
        self._lock = threading.Lock()
        self._source_days = self._rows = self._undecided = self._late = 0
        self._found: Counter[Change] = Counter()
        self._ids: dict[str, list[str]] = {"missing": [], "extra": [], "different": [], "undecided": []}
        self._refused: list[str] = []
        self.repaired = 0

    def record_days(self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays) -> bool:
        """Compare the days of one answer; those that differ are read again before they count."""
        listing_id = task.reading.listing_id
        received, asked_at = {day.date: day for day in checked.days}, answer.observed_at
        wrong = self._compare(listing_id, checked.days, asked_at)
        lost: list[date] = []
        for _ in range(_READ_AGAIN):
            if not wrong:
                break
            again = self._source.read_calendar(listing_id, min(wrong), max(wrong), why=_WHY_AGAIN)
            received, asked_at = {d.date: d for d in check_answer(again).days if d.date in wrong}, again.observed_at
            lost += wrong.keys() - received.keys()
            wrong = self._compare(listing_id, list(received.values()), asked_at)
            if not any(one.is_later for one in wrong.values()):
                break
        before = len(wrong)
        if wrong and self._repair:
            wrong = self._write(listing_id, [received[day] for day in sorted(wrong)], asked_at)
        with self._lock:
            self.repaired += before - len(wrong)
            self._source_days += len(checked.days)
            self._count(listing_id, wrong)
            self._count_undecided(listing_id, lost)
        return True

    def record_only_answer(
        self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays, missing: Sequence[Days]
    ) -> int | None:
        """Compare the days of an answer; return how many did not come that the source should have."""
        self.record_days(task, answer, checked)
        return self.close_task(task, missing, answer.observed_at)

    def close_task(self, task: CalendarTask, missing: Sequence[Days], asked_at: datetime) -> int:
        """Count the days that did not come as undecided; return how many of them the source should have."""
        del asked_at
        gaps = [gap for gap in missing if not plan.is_known_end(task, gap)]
        account_id, listing_id = self._account_id, task.reading.listing_id
        rows = self._writes.read(lambda connection: days.count_days(connection, account_id, listing_id, task.days))
        with self._lock:
            self._rows += rows
            for gap in gaps:
                self._count_undecided(listing_id, gap.list_days())
        return sum(map(len, gaps))

    def record_refusal(self, task: CalendarTask, refusal: str, now: datetime) -> None:
        """Note that a calendar could not be compared."""
        del task, now
        with self._lock:
            self._refused.append(refusal)

    def count(self) -> tuple[ChangeCounts, QualityCounts]:
        """Count the days that were compared."""
        with self._lock:
            return ChangeCounts(seen=self._source_days), QualityCounts()

    def sum_up(self, error: str | None) -> Findings:
        """Return what was found; `error` says why not all could be compared."""
        with self._lock:
            if error is None and self._undecided:
                error = f"{self._undecided} days did not come when they were asked for again"
            refused = self._refused
            note = f"{len(refused)} calendars are refused and were not compared: {refused[0]}" if refused else None
            return Findings(
                source=self._source_days,
                mirror=self._rows,
                missing=self._found[Change.INSERTED],
                different=self._found[Change.UPDATED],
                undecided=self._undecided,
                newer_at_source=self._late,
                ids={kind: list(ids) for kind, ids in self._ids.items()},
                note=note,
                error=error,
            )

    def _compare(self, listing_id: int, received: Sequence[CalendarDay], asked_at: datetime) -> dict[date, WrongDay]:
        return self._writes.read(
            lambda connection: wrong_days.find_wrong_days(connection, self._account_id, listing_id, received, asked_at)
        )

    def _write(self, listing_id: int, changed: Sequence[CalendarDay], asked_at: datetime) -> dict[date, WrongDay]:
        """Write days over their rows unless a later answer was stored; return those that still differ."""
        account_id = self._account_id

        def write(connection: Connection) -> dict[date, WrongDay]:
            keeps_prices = self._options.keeps_price_changes
            owner = account_owner.lock_owner(connection, account_id, Resource.CALENDAR, keeps_prices=keeps_prices)
            if readings.lock_reading(connection, account_id, listing_id, asked_at):
                days.write_days(connection, owner, listing_id, changed, asked_at)
            return wrong_days.find_wrong_days(connection, account_id, listing_id, changed, asked_at)

        return self._writes.write(write)

    def _count(self, listing_id: int, wrong: Mapping[date, WrongDay]) -> None:
        for day, one in sorted(wrong.items()):
            self._found[one.change] += 1
            self._late += one.is_due
            self._show("missing" if one.change is Change.INSERTED else "different", listing_id, day)

    def _count_undecided(self, listing_id: int, lacking: Sequence[date]) -> None:
        self._undecided += len(lacking)
        for day in sorted(lacking):
            self._show("undecided", listing_id, day)

    def _show(self, kind: str, listing_id: int, day: date) -> None:
        if len(self._ids[kind]) < _IDS_SHOWN:
            self._ids[kind].append(f"{listing_id}/{day}")
