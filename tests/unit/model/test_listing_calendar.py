from __future__ import annotations

from datetime import date

import pytest

from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.model.calendar.listing_calendar import (
    ListingCalendar,
    ListingFacts,
    StoredDay,
    choose_days,
    fill_days,
)

MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)


@pytest.mark.parametrize(
    ("is_available", "status", "state"),
    [
        (True, "available", "free"),
        (True, "reserved", "free"),
        (False, "reserved", "taken"),
        (None, "reserved", "taken"),
        (False, "blocked", "blocked"),
        (False, "new word", "blocked"),
        (False, None, "blocked"),
        (None, "available", "unknown"),
        (None, None, "unknown"),
    ],
)
def test_availability_decides_the_state_before_the_status(
    *, is_available: bool | None, status: str | None, state: str
) -> None:
    """The status only says why a day is not free."""
    day = StoredDay(MONDAY, is_available, status)
    calendar = ListingCalendar(ListingFacts(70001, 1), Days(MONDAY, MONDAY), ListingReading(1), (day,), {"reserved"})
    assert calendar.state(day).value == state


def test_day_without_a_row_has_no_values() -> None:
    """The days are those of the range, ascending, and no others."""
    stored = StoredDay(TUESDAY, is_available=True)
    beyond = date(2026, 12, 2)
    assert fill_days(Days(MONDAY, TUESDAY), {beyond: StoredDay(beyond), TUESDAY: stored}) == (
        StoredDay(MONDAY),
        stored,
    )


@pytest.mark.parametrize(
    ("today", "last"),
    [
        ("2026-11-30", "2027-02-27"),
        ("2026-12-01", "2027-02-28"),
        ("2027-01-31", "2027-04-29"),
        ("2023-11-30", "2024-02-28"),
        ("2026-09-15", "2026-12-14"),
        ("2026-10-31", "2027-01-30"),
    ],
)
def test_three_months_end_before_the_same_day(today: str, last: str) -> None:
    """Where the last month is too short, they end a day before its last one."""
    assert choose_days(date.fromisoformat(today)) == Days(date.fromisoformat(today), date.fromisoformat(last))
