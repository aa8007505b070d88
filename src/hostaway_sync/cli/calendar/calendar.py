"""`hostaway-sync calendar …`."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json, number, positive_number, shown_text
from hostaway_sync.errors import UsageError
from hostaway_sync.model.calendar.days import Days

if TYPE_CHECKING:
    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar

app = typer.Typer(help="Show the calendars of listings.", no_args_is_help=True, rich_markup_mode=None)

MOST_DAYS: Final = 3660


def _read_day(text: str) -> date:
    """Read a day; other forms of ISO 8601 are none, because few people can tell which day they mean."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise typer.BadParameter(f"{shown_text(text)} is not a day: give YYYY-MM-DD, such as 2026-12-24")


@app.callback()
def calendar() -> None:
    """Show the calendars of listings."""


@app.command()
def show(
    listing: Annotated[int, typer.Argument(metavar="LISTING", parser=number, help="Hostaway's id of the listing.")],
    first: Annotated[
        date | None,
        typer.Argument(
            metavar="FROM", parser=_read_day, help="First day, YYYY-MM-DD; default: today.", show_default=False
        ),
    ] = None,
    last: Annotated[
        date | None,
        typer.Argument(
            metavar="TO", parser=_read_day, help="Last day, included; default: three months on.", show_default=False
        ),
    ] = None,
    *,
    account: Annotated[
        int | None,
        typer.Option("--account", metavar="ID", parser=positive_number, help="Account of the listing, if in several."),
    ] = None,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV: a line of names, and one line a day.")] = False,
) -> None:
    """Show which days of a listing are free or not.

    From the mirror: Hostaway is not asked. On a terminal it is a picture of the months, in a pipe one line a day.
    """
    if json and csv:
        raise UsageError("--json and --csv exclude each other: use one of them")
    days = _require_range(first, last)
    with open_mirror() as mirror:
        found = mirror.calendar.read_listing(listing, days, account_id=account)
    if json:
        from hostaway_sync.app.documents.calendar import calendar_document

        terminal.print_json(calendar_document(found))
    elif csv:
        from hostaway_sync.cli.calendar.spreadsheet import write_csv

        terminal.write(write_csv(found))
    elif terminal.is_terminal():
        print_picture(found)
    else:
        print_lines(found)


def _require_range(first: date | None, last: date | None) -> Days | None:
    """Return the days to show; None: the usual ones."""
    if first is None:
        return None
    if last is None:
        raise UsageError(f"the last day is missing: give both, as {first} {first}")
    if last < first:
        raise UsageError(f"the last day, {last}, is before the first, {first}: give the earlier day first")
    days = Days(first, last)
    if len(days) > MOST_DAYS:
        raise UsageError(f"{first} to {last} are {len(days):,} days: give {MOST_DAYS:,} at most")
    return days


def print_picture(calendar: ListingCalendar) -> None:
    """Print the months of a calendar, its legend, the notes of hosts, and how it was read."""
    from hostaway_sync.cli.calendar import picture, sentences

    width = max(terminal.width(), picture.LEAST_WIDTH)
    terminal.show(terminal.plain_text(sentences.write_title(calendar)))
    terminal.echo()
    terminal.show_lines(picture.draw_picture(calendar, width))
    terminal.echo()
    for days, note in sentences.list_notes(calendar):
        line = terminal.plain_text(f"{days}: {note}")
        line.truncate(width, overflow="ellipsis")
        terminal.show_lines([line])
    for sentence in sentences.write_facts(calendar):
        terminal.show(terminal.plain_text(sentence))


def print_lines(calendar: ListingCalendar) -> None:
    """Print what a pipe gets: one line a day, whose columns never move."""
    from hostaway_sync.cli.calendar import sentences

    terminal.echo(sentences.write_title(calendar))
    terminal.echo(sentences.write_heads())
    for day in calendar.days:
        terminal.echo(sentences.write_line(calendar, day))
    for sentence in sentences.write_facts(calendar):
        terminal.echo(sentence)
