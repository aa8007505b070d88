"""What `status`, `plan` and the metrics report of calendars: plain values that the store reads from its tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date, datetime

# As for whole runs: a single daily line in a crontab may be late once, however short the period is.
LEAST_DELAY: Final = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class CalendarTerms:
    """How calendars are mirrored.

    Attributes:
        horizon: how many days ahead; 0: none.
        period: all days of a listing are read once in this time; 0: in every run.
        is_usual: an account that chooses no resources of its own mirrors them.
        exceptions: the accounts for which it is the other way round.
    """

    horizon: int
    period: timedelta = timedelta(0)
    is_usual: bool = True
    exceptions: frozenset[int] = frozenset()

    @property
    def is_on(self) -> bool:
        """Whether calendars of any account are mirrored."""
        return self.horizon > 0 and (self.is_usual or bool(self.exceptions))

    def is_on_for(self, account_id: int) -> bool:
        """Whether the calendars of an account are mirrored."""
        return self.horizon > 0 and self.is_usual != (account_id in self.exceptions)

    @property
    def overdue_after(self) -> timedelta:
        """How long after its turn a listing is overdue."""
        return max(2 * self.period, LEAST_DELAY)

    @property
    def mirrored_days(self) -> int:
        """How many days of a listing are read at once: yesterday, today and those ahead."""
        return self.horizon + 2


CALENDARS_OFF: Final = CalendarTerms(0)


@dataclass(frozen=True, slots=True)
class CalendarFigures:
    """What a forecast needs to know of one account's calendars.

    Attributes:
        archived: number of live listings that are archived.
        changed_a_day: reservations that runs found new or changed a day, of the last week; None: not on record yet.
    """

    archived: int = 0
    changed_a_day: float | None = None


NO_FIGURES: Final = CalendarFigures()


@dataclass(frozen=True, slots=True)
class CalendarFacts:
    """The facts about the calendars of one account; all numbers are of live listings.

    Attributes:
        is_on: calendars are mirrored now.
        listings: number of listings.
        read: those whose calendar was read whole at least once.
        never_read: those whose calendar was neither read whole nor refused.
        refused: those whose calendar the source refused last time.
        refused_since: when it refused the first of them.
        refusal: the most frequent sentence of these refusals.
        oldest_read_at: the oldest of the last whole readings, refused calendars left out.
        due_listings: listings with days that stays have changed and that were not read since.
        due_days: number of these days.
        due_since: since when the first of them is due.
        short_listings: listings whose calendar ends early at the source, as some readings in a row have shown.
        known_until: the earliest of these ends.
        missing_days: days that did not come in the last whole readings although the source should have them.
        missing_listings: number of their listings.
        turn_at: the earliest time that has passed at which a listing was to be read again; None: none waits.
        overdue: listings whose time passed longer ago than `CalendarTerms.overdue_after`.
        overdue_since: since when the first of them is overdue.
    """

    is_on: bool = True
    listings: int = 0
    read: int = 0
    never_read: int = 0
    refused: int = 0
    refused_since: datetime | None = None
    refusal: str | None = None
    oldest_read_at: datetime | None = None
    due_listings: int = 0
    due_days: int = 0
    due_since: datetime | None = None
    short_listings: int = 0
    known_until: date | None = None
    missing_days: int = 0
    missing_listings: int = 0
    turn_at: datetime | None = None
    overdue: int = 0
    overdue_since: datetime | None = None


EMPTY: Final = CalendarFacts()
