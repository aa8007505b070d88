"""The months of a listing as a picture: weeks are rows, several months stand side by side where there is room.

A cell is the number of the day, a mark where no stay may begin or end on it, and what a guest would find: a price, or
a bar. Without colour everything is still told apart by its characters, which are ASCII alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.text import Text

from hostaway_sync.cli.calendar.sentences import clean_text
from hostaway_sync.model.calendar.listing_calendar import DayState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date
    from decimal import Decimal

    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar, StoredDay

_WEEK: Final = 7
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# The number of the day and its mark stand before what is in a cell.
_HEAD: Final = 3
_WORD: Final = len(DayState.FREE)
_MOST_BESIDE: Final = 3
_MOST_GAP: Final = 3
_BETWEEN_MONTHS: Final = 5
LEAST_WIDTH: Final = _WEEK * (_HEAD + 1) + _WEEK - 1
"""No picture is narrower: on such a terminal its lines are broken."""
_STYLES: Final = {
    DayState.FREE: "green",
    DayState.TAKEN: "bold cyan",
    DayState.BLOCKED: "yellow",
    DayState.UNKNOWN: "dim",
}
_BARS: Final = {DayState.TAKEN: "#", DayState.BLOCKED: "-"}
_MARK_STYLE: Final = "bold red"
_MOST_CURRENCY: Final = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """How a picture uses its room.

    Attributes:
        beside: how many months stand side by side.
        room: characters of a cell behind its number and mark.
        gap: characters between two cells.
        write_price: how a price is written; None: there is no room for prices.
    """

    beside: int
    room: int
    gap: int
    write_price: Callable[[Decimal], str] | None

    @property
    def month_width(self) -> int:
        """How many characters wide a month is."""
        return _WEEK * (_HEAD + self.room) + (_WEEK - 1) * self.gap


def draw_picture(calendar: ListingCalendar, width: int) -> list[Text]:
    """Return the lines of a picture that is at most so wide, and its legend."""
    layout = choose_layout(calendar, width)
    months = [list(days) for _, days in groupby(calendar.days, lambda day: (day.date.year, day.date.month))]
    lines: list[Text] = []
    for place in range(0, len(months), layout.beside):
        blocks = [list(_draw_month(calendar, days, layout)) for days in months[place : place + layout.beside]]
        for number in range(max(map(len, blocks))):
            parts = [block[number] if number < len(block) else Text(" " * layout.month_width) for block in blocks]
            line = Text(" " * _BETWEEN_MONTHS).join(parts)
            line.rstrip()
            lines.append(line)
        lines.append(Text())
    return [*lines, *_wrap(list(_list_legend(calendar, layout)), width)]


def choose_layout(calendar: ListingCalendar, width: int) -> Layout:
    """Return the layout for a width: prices as exact as there is room for, then as many months as fit beside."""
    prices = [day.price for day in calendar.days if calendar.state(day) is DayState.FREE and day.price]
    count = len({(day.date.year, day.date.month) for day in calendar.days})
    for write in (write_exactly, write_rounded):
        room = max([_WORD, *(len(write(price)) for price in prices)])
        if (layout := _fit(count, room, width, write)) is not None:
            return layout
    return _fit(count, _WORD, width, None) or Layout(1, 1, 1, None)


def _fit(count: int, room: int, width: int, write: Callable[[Decimal], str] | None) -> Layout | None:
    for beside in range(min(_MOST_BESIDE, count), 0, -1):
        month = (width - _BETWEEN_MONTHS * (beside - 1)) // beside
        gap = (month - _WEEK * (_HEAD + room)) // (_WEEK - 1)
        if gap > 0:
            return Layout(beside, room, min(gap, _MOST_GAP), write)
    return None


def write_exactly(price: Decimal) -> str:
    """Return a price with its decimals, if it has any."""
    return f"{price:.0f}" if price == price.to_integral_value() else f"{price:.2f}"


def write_rounded(price: Decimal) -> str:
    """Return a price without decimals."""
    return f"{price:.0f}"


def _draw_month(calendar: ListingCalendar, days: Sequence[StoredDay], layout: Layout) -> Iterator[Text]:
    yield Text(f"{days[0].date:%B} {days[0].date.year}".ljust(layout.month_width), style="bold")
    gap = " " * layout.gap
    yield Text(gap.join(day.ljust(_HEAD + layout.room) for day in _WEEKDAYS), style="dim")
    for _, week in groupby(days, lambda day: _find_monday(day.date)):
        cells = [Text(" " * (_HEAD + layout.room)) for _ in _WEEKDAYS]
        for day in week:
            cells[day.date.weekday()] = _draw_day(calendar, day, layout)
        yield Text(gap).join(cells)


def _find_monday(day: date) -> int:
    # The first week of the first year begins before there are dates.
    return day.toordinal() - day.weekday()


def _draw_day(calendar: ListingCalendar, day: StoredDay, layout: Layout) -> Text:
    state, mark = calendar.state(day), _choose_mark(day)
    return Text.assemble(
        f"{day.date.day:2}",
        (mark, _MARK_STYLE) if mark else " ",
        (_write_state(state, day.price, layout).ljust(layout.room), _STYLES[state]),
    )


def _write_state(state: DayState, price: Decimal | None, layout: Layout) -> str:
    if state in _BARS:
        return _BARS[state] * layout.room
    if state is DayState.UNKNOWN:
        return "?"
    if price and layout.write_price is not None:
        return layout.write_price(price)
    return DayState.FREE.value if layout.room >= _WORD else "."


def _choose_mark(day: StoredDay) -> str:
    if day.closed_on_arrival and day.closed_on_departure:
        return "x"
    if day.closed_on_arrival:
        return "<"
    return ">" if day.closed_on_departure else ""


def _list_legend(calendar: ListingCalendar, layout: Layout) -> Iterator[Text]:
    """Yield what each sign of the picture means; of rare ones, only those that occur."""
    states = [(calendar.state(day), day) for day in calendar.days]
    prices = [day.price for state, day in states if state is DayState.FREE and day.price]
    if prices and layout.write_price is not None:
        # The source's text: three letters as a rule, and anything at worst.
        currency = clean_text(calendar.listing.currency or "")[:_MOST_CURRENCY]
        words = f"free, at this price in {currency}" if currency else "free, at this price"
        rounded = ", rounded" if any(write_exactly(one) != layout.write_price(one) for one in prices) else ""
        yield _sign(
            layout.write_price(prices[0]),
            words + rounded,
            _STYLES[DayState.FREE],
        )
    elif layout.room < _WORD:
        yield _sign(".", "free", _STYLES[DayState.FREE])
    for state, bar in _BARS.items():
        yield _sign(bar * layout.room, state.value, _STYLES[state])
    if any(state is DayState.UNKNOWN for state, _ in states):
        yield _sign("?", "not known", _STYLES[DayState.UNKNOWN])
    marks = {_choose_mark(day) for day in calendar.days}
    for mark, words in (("<", "no arrival"), (">", "no departure"), ("x", "neither")):
        if mark in marks:
            yield _sign(mark, words, _MARK_STYLE)


def _sign(sign: str, words: str, style: str) -> Text:
    return Text.assemble((sign, style), f" {words}")


def _wrap(entries: Sequence[Text], width: int) -> list[Text]:
    """Return lines with as many entries as fit."""
    lines: list[Text] = []
    for entry in entries:
        joined = Text("   ").join([lines[-1], entry]) if lines else entry
        if lines and joined.cell_len <= width:
            lines[-1] = joined
        else:
            lines.append(entry)
    return lines
