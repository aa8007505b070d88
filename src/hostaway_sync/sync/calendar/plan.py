"""Decisions of the calendar: what is read when, and what a reading shows. Pure: the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.stays import merge_days
from hostaway_sync.sync import plan as run_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date, datetime

    from hostaway_sync.model.calendar.days import ListingReading

ARCHIVED_PERIOD: Final = timedelta(days=7)
# A refused calendar is asked for again after this time; a plan without calendars would else cost a call each run.
REFUSED_PERIOD: Final = timedelta(days=7)
# After so many whole readings that ended equally early, that is how far the source's calendar goes.
SHORT_READINGS: Final = 3


@dataclass(frozen=True, slots=True)
class CalendarOptions:
    """How calendars are read.

    Attributes:
        horizon: how many days ahead are mirrored; 0: none.
        period: all days of a listing are read once in this time; 0: in every run.
        archived: payload keys with the values, in lower case, that an archived listing has.
        links: paths in a listing's payload to the ids of listings that are linked with it.
        keeps_price_changes: the history of days keeps their prices, too.
    """

    horizon: int = 365
    period: timedelta = timedelta(hours=20)
    archived: Mapping[str, str] = field(default_factory=dict)
    links: tuple[tuple[str, ...], ...] = ()
    keeps_price_changes: bool = False


@dataclass(frozen=True, slots=True)
class CalendarTask:
    """One listing whose days are to be read.

    Attributes:
        reading: how it was read last.
        days: the days to read.
        mirrored: all days that are mirrored.
        why: the reason for `ApiCall`.
    """

    reading: ListingReading
    days: Days
    mirrored: Days
    why: str

    @property
    def is_whole(self) -> bool:
        """Whether all days are read that are mirrored."""
        return self.days == self.mirrored


def list_mirrored_days(now: datetime, horizon: int) -> Days:
    """Return the days that are mirrored at a moment in UTC.

    They begin a day early: in the west of the date line the day before is still the present one.
    """
    today = now.date()
    return Days(today - timedelta(days=1), today + timedelta(days=horizon))


def spread_marks(readings: Iterable[ListingReading]) -> dict[int, Days]:
    """Return the days of listings that are due because a stay changed on a linked listing, where they are not yet."""
    known = {one.listing_id: one for one in readings}
    touched: list[tuple[int, Days]] = []
    for one in known.values():
        for other in (known[number] for number in one.linked if number in known and number != one.listing_id):
            touched += [(other.listing_id, one.due)] if one.due else []
            touched += [(one.listing_id, other.due)] if other.due else []
    own = [(number, known[number].due) for number, _ in touched]
    merged = merge_days([*touched, *((number, due) for number, due in own if due is not None)])
    return {number: days for number, days in merged.items() if days != known[number].due}


def select_tasks(
    readings: Iterable[ListingReading], now: datetime, options: CalendarOptions, *, full: bool = False
) -> list[CalendarTask]:
    """Return the listings to read: first those with marks, then those whose turn it is, longest overdue first.

    Args:
        readings: of the live listings of an account.
        now: by the database's clock, in UTC.
        options: of the mirror.
        full: every listing is read whole.
    """
    mirrored = list_mirrored_days(now, options.horizon)
    known = list(readings)
    in_turn = {one.listing_id for one in known if full or is_turn(one, now, options)}
    marked = select_marked((one for one in known if one.listing_id not in in_turn), now, options)
    overdue_first = sorted(known, key=lambda one: (one.rota_at is not None, one.rota_at or now))
    whole = (CalendarTask(one, mirrored, mirrored, _explain_turn(one)) for one in overdue_first)
    return [*marked, *(task for task in whole if task.reading.listing_id in in_turn)]


def select_marked(readings: Iterable[ListingReading], now: datetime, options: CalendarOptions) -> list[CalendarTask]:
    """Return the listings with days that stays have changed, and these days; a refused calendar waits for its turn."""
    mirrored = list_mirrored_days(now, options.horizon)
    tasks: list[CalendarTask] = []
    for reading in readings:
        due = None if reading.due is None else reading.due.intersect(mirrored)
        if due is not None and reading.refused_at is None:
            tasks.append(CalendarTask(reading, due, mirrored, "calendar: a stay changed"))
    return tasks


def _explain_turn(reading: ListingReading) -> str:
    if reading.read_at is None:
        return "calendar: all days, for the first time"
    return f"calendar: all days, as from time to time; last read {reading.read_at.astimezone(UTC):%Y-%m-%d %H:%M}"


def is_turn(reading: ListingReading, now: datetime, options: CalendarOptions) -> bool:
    """Whether all days of a listing are to be read, because so much time has passed.

    A turn that lies further ahead than a period was set by a clock that was ahead, or for a longer period.
    """
    return run_plan.has_turn_come(reading.rota_at, now, choose_period(reading, options))


def choose_period(reading: ListingReading, options: CalendarOptions) -> timedelta:
    """Return in which time all days of a listing are read once."""
    if reading.refused_at is not None:
        return max(REFUSED_PERIOD, options.period)
    return max(ARCHIVED_PERIOD, options.period) if reading.is_archived else options.period


def choose_next_turn(account_id: int, reading: ListingReading, read_at: datetime, period: timedelta) -> datetime:
    """Return when all days of a listing are to be read again, after a reading at `read_at`."""
    return run_plan.choose_next_turn(f"{account_id}/{reading.listing_id}", reading.rota_at, read_at, period)


def judge_whole_reading(
    task: CalendarTask, missing: Iterable[Days], read_at: datetime, turn: datetime
) -> ListingReading:
    """Return how a listing was read last, after a reading of all days in which those of `missing` did not come.

    If the end is missing, and in the same length as in the last readings, the source's calendar ends there, and
    these days are not missed.
    """
    gaps = list(missing)
    until = task.mirrored.last
    if gaps and gaps[-1].last == until and gaps[-1].first > task.mirrored.first:
        until = gaps.pop().first - timedelta(days=1)
    before, short_count = task.reading, 0
    lacking = (task.mirrored.last - until).days
    if lacking:
        short_count = min(before.short_count + 1, SHORT_READINGS) if _ends_alike(before, until, read_at) else 1
    return replace(
        before,
        read_at=read_at,
        rota_at=turn,
        known_until=until,
        short_count=short_count,
        missing_days=sum(map(len, gaps)) + (0 if short_count >= SHORT_READINGS else lacking),
        refused_at=None,
    )


def leave_out_yesterday(task: CalendarTask, gap: Days) -> Days | None:
    """Return a gap without the first mirrored day, which is over nearly everywhere; None: nothing is left."""
    return gap.intersect(Days(task.mirrored.first + timedelta(days=1), task.mirrored.last))


def is_known_end(task: CalendarTask, gap: Days) -> bool:
    """Whether a gap is what the source's calendar is known not to have."""
    reading = task.reading
    if reading.short_count < SHORT_READINGS or reading.known_until is None or gap.last != task.mirrored.last:
        return False
    return gap.first > reading.known_until


def _ends_alike(before: ListingReading, until: date, read_at: datetime) -> bool:
    """Whether a calendar ends at the same day as before, or as many days ahead; a day's difference is the clock's."""
    if before.known_until is None or before.read_at is None:
        return False
    passed = (read_at.date() - before.read_at.date()).days
    moved = (until - before.known_until).days
    return moved == 0 or abs(moved - passed) <= 1


@dataclass(frozen=True, slots=True)
class Problems:
    """What of the calendars was not read.

    Attributes:
        missing: days that did not come.
        short: the listings that they belong to.
        is_repeated: whether one of these listings lacked days in its last reading, too.
        failed: listings that could not be read.
        first_failure: the error of the first of these.
    """

    missing: int = 0
    short: int = 0
    is_repeated: bool = False
    failed: int = 0
    first_failure: str | None = None

    def describe(self) -> str | None:
        """Return one sentence, failures first; None: everything was read."""
        if self.failed:
            return f"{self.failed} calendars could not be read: {self.first_failure}"
        if self.missing:
            return f"{self.missing} days of {self.short} listings did not come, though asked for again in parts"
        return None

    def is_first(self, *, has_failed_before: bool) -> bool:
        """Whether a run may pass over it: the first failure, and the first reading with missing days, say little."""
        return not self.is_repeated and not (self.failed and has_failed_before)
