"""Read the calendars of a run: several listings at once, one request each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hostaway_sync.errors import Forbidden, NotFound, RequestRejected, SourceAway, SourceUnavailable
from hostaway_sync.model.history.causes import Cause, CauseKind
from hostaway_sync.model.records import ResourceReport, RunState
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.store.calendar import marks, readings
from hostaway_sync.store.runs import states as run_states
from hostaway_sync.sync import plan as run_plan
from hostaway_sync.sync.calendar import plan
from hostaway_sync.sync.calendar.reading import read_days
from hostaway_sync.sync.calendar.recorder import TableCalendarRecorder
from hostaway_sync.sync.lists import open_reading_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from hostaway_sync.errors import SourceError
    from hostaway_sync.model.calendar.days import ListingReading
    from hostaway_sync.model.records import Source
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.sync.calendar.plan import CalendarOptions, CalendarTask
    from hostaway_sync.sync.calendar.recorder import CalendarRecorder
    from hostaway_sync.sync.run_context import RunContext
    from hostaway_sync.sync.run_options import RunOptions


@dataclass(frozen=True, slots=True)
class _Ended:
    """How the reading of one listing ended: how many days did not come, and did not last time; or why it failed."""

    missing: int = 0
    missing_before: int = 0
    failure: SourceError | None = None


def mirror_due_calendars(
    database: Database, context: RunContext[CalendarRecorder], options: RunOptions
) -> ResourceReport:
    """Find the listings of a run whose days are due, and read them; the requests of other runs go first.

    Raises:
        SourceError: it is not single listings that cannot be read.
        LeaseLost: another run took over.
    """
    known, now = _find_readings(database, context.account_id, options.calendar, is_dry=options.dry_run)
    tasks = plan.select_tasks(known, now, options.calendar, full=options.full)
    if any(task.is_whole for task in tasks):
        context.source.lower_priority()
    problems = read_tasks(context, tasks, now, options.in_flight)
    (counts, quality), error = context.recorder.count(), problems.describe()
    if error is None:
        return ResourceReport(RunState.SUCCESS, counts, quality)
    has_failed_before = run_states.has_failed_last(database, context.account_id, context.resource)
    is_excused = problems.is_first(has_failed_before=has_failed_before)
    state = RunState.PARTIAL if counts.seen else RunState.FAILED
    return ResourceReport(state, counts, quality, error, is_excused=is_excused)


def read_marked_days(database: Database, account_id: int, source: Source, options: CalendarOptions) -> None:
    """Read the days of an account that stays have changed; without a lease, so that it may happen beside a run.

    Raises:
        SourceError: a calendar could not be read; its mark stays.
        StoreError: the database is away.
    """
    known, now = _find_readings(database, account_id, options)
    recorder = TableCalendarRecorder(database.transaction, account_id, options, cause=Cause(CauseKind.WEBHOOK))
    for task in plan.select_marked(known, now, options):
        ended = read_listing(task, source, recorder, now)
        if ended.failure is not None:
            raise ended.failure


def _find_readings(
    database: Database, account_id: int, options: CalendarOptions, *, is_dry: bool = False
) -> tuple[list[ListingReading], datetime]:
    """Return how each listing was read last, after the marks of linked listings were stored, unless `is_dry`."""
    known, now = readings.find_readings(database, account_id, options.archived, options.links)
    linked = plan.spread_marks(known)
    if linked and not is_dry:
        # Before the mark that they come from can be cleared.
        database.transaction(lambda connection: marks.mark_linked_days(connection, account_id, linked, now))
    return [replace(one, due=linked.get(one.listing_id, one.due)) for one in known], now


def read_tasks(
    context: RunContext[CalendarRecorder], tasks: Sequence[CalendarTask], now: datetime, in_flight: int
) -> plan.Problems:
    """Read the days of several listings at once; return what could not be read.

    Raises:
        SourceError: it is not single listings that cannot be read.
        LeaseLost: another run took over.
    """
    ended: list[_Ended] = []
    in_a_row = 0
    for one in _read_all(context, tasks, now, in_flight):
        ended.append(one)
        context.report_progress(len(ended), len(tasks))
        in_a_row = in_a_row + 1 if one.failure else 0
        if one.failure and (in_a_row == run_plan.FAILED_THREADS or isinstance(one.failure, SourceAway)):
            raise one.failure
    failures = [str(one.failure) for one in ended if one.failure]
    short = [one for one in ended if one.missing]
    return plan.Problems(
        missing=sum(one.missing for one in short),
        short=len(short),
        is_repeated=any(one.missing_before for one in short),
        failed=len(failures),
        first_failure=next(iter(failures), None),
    )


def _read_all(
    context: RunContext[CalendarRecorder], tasks: Sequence[CalendarTask], now: datetime, in_flight: int
) -> Iterator[_Ended]:
    """Yield how each reading ended, several at once, and never queue the whole account."""
    with open_reading_threads(in_flight) as pool:
        waiting: deque[Future[_Ended]] = deque()
        for task in tasks:
            reading = partial(read_listing, task, context.source, context.recorder, now)
            waiting.append(pool.submit(in_current_context(reading)))
            if len(waiting) > 2 * in_flight:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_listing(task: CalendarTask, source: Source, recorder: CalendarRecorder, now: datetime) -> _Ended:
    """Read one listing; a listing that is gone or may not be read is no failure, nor is an archived one's error.

    Raises:
        SourceError: it is not this listing that cannot be read.
        LeaseLost: another run took over.
    """
    try:
        lacking = read_days(task, source, recorder)
    except (Forbidden, NotFound) as refusal:
        recorder.record_refusal(task, str(refusal), now)
        return _Ended()
    except (SourceUnavailable, RequestRejected) as error:
        if task.reading.is_archived:
            recorder.record_refusal(task, str(error), now)
            return _Ended()
        return _Ended(failure=error)
    return _Ended(lacking, task.reading.missing_days)
