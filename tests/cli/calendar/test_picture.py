from __future__ import annotations

import re
from calendar import month_name
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.cli.calendar.picture import LEAST_WIDTH, choose_layout, draw_picture
from hostaway_sync.cli.calendar.spreadsheet import write_csv
from hostaway_sync.model.calendar.days import Days, ListingReading
from hostaway_sync.model.calendar.listing_calendar import (
    ListingCalendar,
    ListingFacts,
    StoredDay,
    fill_days,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS = list(month_name)
BOOLEANS = st.sampled_from([None, True, False])
# Only a few amounts, so that some pictures have room for their prices.
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
    """Return a calendar of consecutive days from the first one on."""
    dated = {}
    for number, day in enumerate(days):
        values = {name: getattr(day, name) for name in StoredDay.__slots__} | {"date": first + timedelta(number)}
        dated[first + timedelta(number)] = StoredDay(**values)
    shown = Days(first, first + timedelta(len(days) - 1))
    listing = ListingFacts(70001, 1, "A house", currency)
    return ListingCalendar(listing, shown, ListingReading(1), fill_days(shown, dated), {"reserved"})


def cells(lines: list[str]) -> Iterator[tuple[date, str]]:
    """Yield the day of each cell of a picture, and the cell's text."""
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
    """Each day is in the column of its weekday, with its state and mark, at every width."""
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


def test_months_are_side_by_side_where_they_fit() -> None:
    """Prices with many digits are rounded first, and left out next."""
    days = [StoredDay(date.min, is_available=True, price=Decimal("1180.50"))] * 60
    calendar = calendar_of(date(2026, 12, 1), days)

    def shown(width: int) -> tuple[int, str | None]:
        layout = choose_layout(calendar, width)
        return layout.beside, layout.write_price and layout.write_price(Decimal("1180.50"))

    assert [shown(width) for width in (200, 80, 60, 55, 40)] == [
        (2, "1180.50"), (1, "1180.50"), (1, "1180"), (1, "1180"), (1, None),
    ]  # fmt: skip


def test_legend_names_the_signs_of_the_picture() -> None:
    """It explains a rare sign only where the picture has it."""
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


def test_long_currency_is_cut() -> None:
    """The currency is the source's text, and may be anything."""
    calendar = calendar_of(
        date(2026, 12, 1), [StoredDay(date.min, is_available=True, price=Decimal(9))], "\x1b[2J" * 40
    )
    assert draw_picture(calendar, 80)[-1].plain == "9 free, at this price in [2J[2J[2   #### taken   ---- blocked"


def test_csv_lines_end_as_rfc_4180_says() -> None:
    """Each line ends so, the last one too; a price keeps its decimals."""
    days = [StoredDay(date.min, is_available=False, status="blocked", price=Decimal("9.50"))]
    head, day, rest = write_csv(calendar_of(date(2026, 12, 1), days)).split("\r\n")
    assert head.startswith("date,is_available,")
    assert (day, rest) == ("2026-12-01,false,blocked,9.5,,,,,,", "")
