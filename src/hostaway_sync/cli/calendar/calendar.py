"""`hostaway-sync calendar …`."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hostaway_sync.cli.calendar.writes import writes
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json, number, positive_number, read_day, shown_text
from hostaway_sync.errors import UsageError
from hostaway_sync.model.calendar.days import Days

if TYPE_CHECKING:
    from hostaway_sync.model.calendar.listing_calendar import ListingCalendar
    from hostaway_sync.model.calendar.writes import Value, Values

app = typer.Typer(help="Show and write the calendars of listings.", no_args_is_help=True, rich_markup_mode=None)

MOST_DAYS: Final = 3660


def _read_price(text: str) -> Decimal:
    """Read an amount with a point, such as 99.50."""
    if re.fullmatch(r"-?[0-9]{1,15}([.][0-9]{1,9})?", text):
        return Decimal(text)
    raise typer.BadParameter(f"{shown_text(text)} is not an amount: give a number with a point, such as 120 or 99.50")


def _read_nights(text: str) -> int:
    """Read a number of nights."""
    if re.fullmatch(r"-?[0-9]{1,9}", text):
        return int(text)
    raise typer.BadParameter(f"{shown_text(text)} is not a number of nights: give a whole number, such as 3")


_BOOLEANS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
Listing = Annotated[int, typer.Argument(metavar="LISTING", parser=number, help="Hostaway's id of the listing.")]
AccountOfListing = Annotated[
    int | None,
    typer.Option("--account", metavar="ID", parser=positive_number, help="Account of the listing, if in several."),
]
FirstDay = Annotated[date, typer.Argument(metavar="FROM", parser=read_day, help="First day, YYYY-MM-DD.")]
LastDay = Annotated[date, typer.Argument(metavar="TO", parser=read_day, help="Last day, included.")]
Note = Annotated[
    str | None,
    typer.Option("--note", metavar="T", help="Write this note to each day; '' removes it; default: leave it."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before more than 31 days, or days that a stay takes.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show old and new values by the mirror, and send nothing.")]


@app.callback()
def calendar() -> None:
    """Show and write the calendars of listings."""


@app.command()
def show(
    listing: Listing,
    first: Annotated[
        date | None,
        typer.Argument(
            metavar="FROM", parser=read_day, help="First day, YYYY-MM-DD; default: today.", show_default=False
        ),
    ] = None,
    last: Annotated[
        date | None,
        typer.Argument(
            metavar="TO", parser=read_day, help="Last day, included; default: three months on.", show_default=False
        ),
    ] = None,
    *,
    account: AccountOfListing = None,
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


@app.command()
def block(
    listing: Listing,
    first: FirstDay,
    last: LastDay,
    *,
    note: Note = None,
    account: AccountOfListing = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Block days of a listing at Hostaway, from FROM to TO, both included.

    TO is the last day that is blocked, not the day after. Days that changed at Hostaway since they were mirrored are
    shown, and nothing is sent.
    """
    from hostaway_sync.cli.calendar.write import write_calendar

    values = _leave_out_none({"is_available": False, "note": note})
    write_calendar(listing, first, last, values, account_id=account, yes=yes, dry_run=dry_run, json=json)


@app.command("open")
def open_(
    listing: Listing,
    first: FirstDay,
    last: LastDay,
    *,
    account: AccountOfListing = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Open days of a listing at Hostaway, from FROM to TO, both included.

    A day that a stay takes stays taken. Days outside the listing's booking window are blocked again by Hostaway within
    24 hours. Days that changed at Hostaway since they were mirrored are shown, and nothing is sent.
    """
    from hostaway_sync.cli.calendar.write import write_calendar

    values = {"is_available": True}
    write_calendar(listing, first, last, values, account_id=account, yes=yes, dry_run=dry_run, json=json)


@app.command("set")
def set_(
    listing: Listing,
    first: FirstDay,
    last: LastDay,
    *,
    price: Annotated[
        Decimal | None,
        typer.Option(metavar="P", parser=_read_price, help="Set the price of a night, in the listing's currency."),
    ] = None,
    minimum_stay: Annotated[
        int | None, typer.Option(metavar="N", parser=_read_nights, help="Set the fewest nights of a stay.")
    ] = None,
    maximum_stay: Annotated[
        int | None, typer.Option(metavar="N", parser=_read_nights, help="Set the most nights of a stay.")
    ] = None,
    closed_on_arrival: Annotated[
        str | None, typer.Option(metavar="yes|no", help="Let no stay begin on these days, or let one.")
    ] = None,
    closed_on_departure: Annotated[
        str | None, typer.Option(metavar="yes|no", help="Let no stay end on these days, or let one.")
    ] = None,
    note: Note = None,
    account: AccountOfListing = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Set prices and rules of days at Hostaway, from FROM to TO, both included.

    What is not named stays as it is. A pricing tool may overwrite it at night. Days that changed at Hostaway since they
    were mirrored are shown, and nothing is sent.
    """
    from hostaway_sync.cli.calendar.write import write_calendar

    values = _leave_out_none(
        {
            "price": price,
            "minimum_stay": minimum_stay,
            "maximum_stay": maximum_stay,
            "closed_on_arrival": _read_boolean("--closed-on-arrival", closed_on_arrival),
            "closed_on_departure": _read_boolean("--closed-on-departure", closed_on_departure),
            "note": note,
        }
    )
    write_calendar(listing, first, last, values, account_id=account, yes=yes, dry_run=dry_run, json=json)


def _read_boolean(option: str, text: str | None) -> bool | None:
    if text is None or (word := text.strip().lower()) in _BOOLEANS:
        return None if text is None else _BOOLEANS[word]
    raise UsageError(f"{option}: {shown_text(text)} is neither yes nor no")


app.command()(writes)


def _leave_out_none(values: Values) -> dict[str, Value]:
    return {name: value for name, value in values.items() if value is not None}


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
