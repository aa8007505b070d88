from __future__ import annotations

import re
from calendar import month_name
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.cli.calendar.picture import LEAST_WIDTH, choose_layout, draw_picture
from hostaway_sync.cli.calendar.spreadsheet import write_csv
from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.model.calendar.listing_calendar import (
    ListingCalendar,
    ListingFacts,
    StoredDay,
    choose_days,
    fill_days,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS = list(month_name)
BOOLEANS = st.sampled_from([None, True, False])
# Of a few amounts, so that not every picture is too wide for its prices.
PRICES = st.sampled_from([None, Decimal(0), Decimal(80), Decimal("180.5"), Decimal(10**15) - Decimal("0.01")])
DAYS = st.builds(
    StoredDay,
    st.just(date.min),
    is_available=BOOLEANS,
    status=st.sampled_from([None, "available", "reserved", "blocked", "new word"]),
    price=PRICES,
    closed_on_arrival=BOOLEANS,
    closed_on_departure=BOOLEANS,
)


def calendar_of(first: date, days: list[StoredDay], currency: str | None = "EUR") -> ListingCalendar:
    """Return a calendar whose days follow each other from the first."""
    dated = {}
    for number, day in enumerate(days):
        values = {name: getattr(day, name) for name in StoredDay.__slots__} | {"date": first + timedelta(number)}
        dated[first + timedelta(number)] = StoredDay(**values)
    shown = Days(first, first + timedelta(len(days) - 1))
    listing = ListingFacts(70001, 1, "A house", currency)
    return ListingCalendar(listing, shown, ListingReading(1), fill_days(shown, dated), {"reserved"})


def cells(lines: list[str]) -> Iterator[tuple[date, str]]:
    """Yield the day of each cell of a picture, and what is in it."""
    months: list[tuple[int, date]] = []
    edges: list[int] = []
    for line in lines:
        if not line:
            edges = []
        elif "Mon" in line:
            edges = [found.start() for found in re.finditer("Mon|Tue|Wed|Thu|Fri|Sat|Sun", line)]
        elif not edges:
            titles = re.finditer(r"([A-Z][a-z]+) (\d{4})", line)
            months = [(found.start(), date(int(found[2]), MONTHS.index(found[1]), 1)) for found in titles]
        else:
            for number, edge in enumerate(edges):
                end = edges[number + 1] if number + 1 < len(edges) else len(line)
                if text := line[edge:end].strip():
                    month = [day for start, day in months if start <= edge][-1]
                    day = month.replace(day=int(line[edge : edge + 2]))
                    assert day.weekday() == number % 7
                    yield day, text[len(str(day.day)) :]


@given(
    first=st.dates(date(1000, 1, 1), date(9999, 1, 1)),
    days=st.lists(DAYS, min_size=1, max_size=200),
    width=st.integers(LEAST_WIDTH, 260),
    currency=st.sampled_from([None, "EUR", "\x1b[2J\n" + 80 * "E"]),
)
def test_every_day_is_drawn_once_within_the_width(
    first: date, days: list[StoredDay], width: int, currency: str | None
) -> None:
    """In the column of its weekday, with its state and mark, whatever stands beside it."""
    calendar = calendar_of(first, days, currency)
    lines = [line.plain for line in draw_picture(calendar, width)]
    assert max(map(len, lines)) <= width
    assert "".join(lines).isprintable()
    drawn = list(cells(lines))
    assert sorted(day for day, _ in drawn) == [day.date for day in calendar.days]
    signs = {"taken": "#", "blocked": "-", "unknown": "?"}
    told = dict(drawn)
    for day in calendar.days:
        text, state = told[day.date], calendar.state(day).value
        assert (text[:1] in "<>x") is bool(day.closed_on_arrival or day.closed_on_departure)
        content = text.lstrip(" <>x")
        assert content[:1] == signs.get(state, content[:1])
        assert (state == "free") is (content in {".", "free"} or content[:1].isdigit())


def test_months_stand_beside_each_other_where_there_is_room() -> None:
    """Prices that many letters need are rounded first, then left out."""
    days = [StoredDay(date.min, is_available=True, price=Decimal("1180.50"))] * 60
    calendar = calendar_of(date(2026, 12, 1), days)

    def shown(width: int) -> tuple[int, str | None]:
        layout = choose_layout(calendar, width)
        return layout.beside, layout.write_price and layout.write_price(Decimal("1180.50"))

    assert [shown(width) for width in (200, 80, 60, 55, 40)] == [
        (2, "1180.50"), (1, "1180.50"), (1, "1180"), (1, "1180"), (1, None),
    ]  # fmt: skip


def test_the_legend_names_what_is_in_the_picture() -> None:
    """Rare signs only where they occur."""
    quiet = calendar_of(date(2026, 12, 1), [StoredDay(date.min, is_available=True)])
    assert draw_picture(quiet, 80)[-1].plain == "#### taken   ---- blocked"
    assert draw_picture(quiet, LEAST_WIDTH)[-1].plain == ". free   # taken   - blocked"
    closed = [(True, None), (None, True), (True, True)]
    days = [
        StoredDay(date.min, is_available=True, price=Decimal("9.5"), closed_on_arrival=a, closed_on_departure=b)
        for a, b in closed
    ]
    busy = calendar_of(date(2026, 12, 1), [*days, StoredDay(date.min)])
    assert draw_picture(busy, 200)[-1].plain == (
        "9.50 free, at this price in EUR   #### taken   ---- blocked   ? not known   "
        "< no arrival   > no departure   x neither"
    )


def test_a_currency_is_cut() -> None:
    """It is the source's text, and may be no currency at all."""
    calendar = calendar_of(
        date(2026, 12, 1), [StoredDay(date.min, is_available=True, price=Decimal(9))], "\x1b[2J" * 40
    )
    assert draw_picture(calendar, 80)[-1].plain == "9 free, at this price in [2J[2J[2   #### taken   ---- blocked"


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
def test_what_a_day_means(is_available: bool | None, status: str | None, state: str) -> None:  # noqa: FBT001  (a parameter)
    """Whether it may be booked decides; its status only says why not."""
    calendar = calendar_of(date(2026, 12, 1), [StoredDay(date.min, is_available, status)])
    assert calendar.state(calendar.days[0]).value == state


def test_lines_of_csv_end_as_rfc_4180_says() -> None:
    """Each of them, the last one too; a price keeps its decimals."""
    days = [StoredDay(date.min, is_available=False, status="blocked", price=Decimal("9.50"))]
    head, day, rest = write_csv(calendar_of(date(2026, 12, 1), days)).split("\r\n")
    assert head.startswith("date,is_available,")
    assert (day, rest) == ("2026-12-01,false,blocked,9.5,,,,,,", "")


@pytest.mark.parametrize(
    ("today", "last"),
    [
        ("2026-11-30", "2027-02-27"),
        ("2026-12-01", "2027-02-28"),
        ("2027-01-31", "2027-04-29"),
        ("2023-11-30", "2024-02-28"),
        ("2026-09-15", "2026-12-14"),
    ],
)
def test_three_months_end_before_the_same_day(today: str, last: str) -> None:
    """Or before the last day of a month that is too short."""
    assert choose_days(date.fromisoformat(today)) == Days(date.fromisoformat(today), date.fromisoformat(last))
