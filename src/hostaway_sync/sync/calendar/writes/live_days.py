"""Reads the days of one listing from the source, stores them, and returns their rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.store.calendar import stored_days
from hostaway_sync.sync.calendar.plan import CalendarTask
from hostaway_sync.sync.calendar.reading import read_days
from hostaway_sync.sync.calendar.recorder import TableCalendarRecorder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from hostaway_sync.model.calendar.days import CalendarAnswer, CheckedDays
    from hostaway_sync.model.calendar.listing_calendar import StoredDay
    from hostaway_sync.model.records import Source
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.calendar.plan import CalendarOptions

_DAY: Final = timedelta(days=1)


class _MarksStay:
    """Stores the days of answers, and notes which did not come; what is due and whose turn it is stays."""

    def __init__(self, recorder: TableCalendarRecorder) -> None:
        self._recorder = recorder
        self.missing: Sequence[Days] = ()

    def record_days(self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays) -> bool:
        return self._recorder.record_days(task, answer, checked)

    def record_only_answer(
        self, task: CalendarTask, answer: CalendarAnswer, checked: CheckedDays, missing: Sequence[Days]
    ) -> int | None:
        is_stored = self._recorder.record_days(task, answer, checked)
        return self.close_task(task, missing, answer.observed_at) if is_stored else None

    def close_task(self, task: CalendarTask, missing: Sequence[Days], asked_at: datetime) -> int:
        del task, asked_at
        self.missing = missing
        return sum(map(len, missing))


class LiveDays:
    """The days of one account's listings, as the source shows them now.

    Args:
        database: where they are stored, too; their marks stay.
        source: of the account.
        account_id: whose listings.
        options: of the mirror.
    """

    def __init__(self, database: Database, source: Source, account_id: int, options: CalendarOptions) -> None:
        self._database = database
        self._source = source
        self._account_id = account_id
        self._options = options

    def read(self, listing_id: int, days: Days, *, why: str, write_id: int | None = None) -> dict[date, StoredDay]:
        """Return the rows of the days that the source shows, which are stored.

        Args:
            listing_id: whose days.
            days: the days.
            why: the reason for `ApiCall`.
            write_id: the write whose outcome they show; None: nothing was written yet.

        Raises:
            SourceError: they could not be read.
            StoreError: they could not be stored.
        """
        # Every one of these days is wanted: a reading for the mirror forgives a missing first day.
        task = CalendarTask(ListingReading(listing_id), days, Days(days.first - _DAY, days.last), why)
        cause = Cause(CauseKind.WRITE, None if write_id is None else str(write_id))
        recorder = TableCalendarRecorder(self._database.transaction, self._account_id, self._options, cause=cause)
        sink = _MarksStay(recorder)
        read_days(task, self._source, sink)
        stored = self.stored(listing_id, days)
        return {day: row for day, row in stored.items() if not any(day in gap for gap in sink.missing)}

    def stored(self, listing_id: int, days: Days) -> dict[date, StoredDay]:
        """Return the rows of days, without a request."""
        return self._database.transaction(
            lambda connection: stored_days.read_days(connection, self._account_id, listing_id, days)
        )
