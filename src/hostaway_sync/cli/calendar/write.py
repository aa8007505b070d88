"""`hostaway-sync calendar block`, `open` and `set`: what they share, and what they print."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from hostaway_sync.app.documents.calendar_writes import outcome_document, preview_document
from hostaway_sync.cli.calendar import sentences
from hostaway_sync.cli.process import prompts
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.errors import WriteRefused
from hostaway_sync.model.calendar.days import Days
from hostaway_sync.model.calendar.listing_calendar import DayState
from hostaway_sync.model.calendar.writes import WriteRequest, pick_values
from hostaway_sync.sync.calendar.writes.decision import describe_dates
from hostaway_sync.sync.calendar.writes.writer import describe_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from hostaway_sync.app.calendar_writes import PreparedWrite
    from hostaway_sync.model.calendar.listing_calendar import StoredDay
    from hostaway_sync.model.calendar.writes import Value, Values
    from hostaway_sync.sync.calendar.writes.writer import WriteOutcome

_NAMES: Final = {
    "is_available": "available",
    "closed_on_arrival": "closed on arrival",
    "closed_on_departure": "closed on departure",
}


def write_calendar(
    listing_id: int,
    first: date,
    last: date,
    values: Values,
    *,
    account_id: int | None,
    yes: bool,
    dry_run: bool,
    json: bool,
) -> None:
    """Write days of a listing, or show what would be written.

    Raises:
        HostawaySyncError: it was not carried out, or not on all days, or that is not known.
    """
    if isinstance(note := values.get("note"), str):
        prompts.require_text(note, "the note")
    request = WriteRequest(listing_id, Days(first, last), values, account_id)
    with open_mirror() as mirror:
        prepared = mirror.calendar_writes.prepare(request)
        if dry_run:
            _print_preview(prepared, json=json)
            return
        if prepared.concerns:
            prompts.confirm(f"Listing {listing_id}: {'; '.join(prepared.concerns)}.", yes=yes)
        outcome = mirror.calendar_writes.write(prepared)
    _print_outcome(prepared, outcome, json=json)


def describe_values(values: Values) -> str:
    """Return values in one line, as a host knows them."""
    return ", ".join(f"{_name(name)} {_word(value)}" for name, value in values.items())


def _print_preview(prepared: PreparedWrite, *, json: bool) -> None:
    if json:
        terminal.print_json(preview_document(prepared))
        return
    terminal.echo(f"{sentences.write_title(prepared.calendar)}: nothing is sent")
    for concern in prepared.concerns:
        terminal.echo(f"mind: {concern}")
    columns = tuple(prepared.request.values)
    for stretch, old in _join_equal(prepared.calendar.days, columns):
        changes = [f"{_name(name)} {_word(old[name])} -> {_word(prepared.request.values[name])}" for name in columns]
        terminal.echo(f"{_range(stretch)}  {', '.join(changes)}")


def _print_outcome(prepared: PreparedWrite, outcome: WriteOutcome, *, json: bool) -> None:
    request = prepared.request
    if json:
        terminal.print_json(outcome_document(prepared, outcome))
    if outcome.write is None:
        if not json:
            for line in _list_changes(outcome, tuple(request.values)):
                terminal.echo(line)
        dates = describe_dates(day.live.date for day in outcome.changed)
        raise WriteRefused(
            f"{len(outcome.changed):,} days of listing {request.listing_id} changed meanwhile: {dates}; nothing was "
            "sent, and the mirror has them now as they are: look, then try again"
        )
    if (trouble := describe_outcome(outcome.write)) is not None:
        raise trouble
    if json:
        return
    days = f"{_range(request.days)} ({len(request.days):,} days)"
    terminal.echo(
        f"Written: listing {request.listing_id}, {days}: {describe_values(request.values)} "
        f"(account {prepared.account_id}, write {outcome.write.write_id})"
    )
    taken = [day for day in outcome.shown if prepared.calendar.state(day) is DayState.TAKEN]
    if taken and request.values.get("is_available"):
        terminal.echo(f"A stay takes {len(taken):,} of these days, which are not available until it is gone.")


def _list_changes(outcome: WriteOutcome, columns: tuple[str, ...]) -> Iterator[str]:
    """Yield each day that changed: as the mirror had it, and as it is."""
    shown = tuple(dict.fromkeys(("is_available", "status", *columns)))
    for day in outcome.changed:
        before = "not known" if day.mirrored is None else describe_values(pick_values(day.mirrored, shown))
        yield f"{day.live.date}  mirror: {before}; now: {describe_values(pick_values(day.live, shown))}"


def _join_equal(days: tuple[StoredDay, ...], columns: tuple[str, ...]) -> Iterator[tuple[Days, dict[str, Value]]]:
    """Yield stretches of days with equal values in these columns."""
    known: tuple[Days, dict[str, Value]] | None = None
    for day in days:
        values = pick_values(day, columns)
        if known is not None and known[1] == values:
            known = Days(known[0].first, day.date), values
            continue
        if known is not None:
            yield known
        known = Days(day.date, day.date), values
    if known is not None:
        yield known


def _range(days: Days) -> str:
    return f"{days.first}" if days.first == days.last else f"{days.first} to {days.last}"


def _name(column: str) -> str:
    return _NAMES.get(column, column.replace("_", " "))


def _word(value: Value) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return sentences.clean_text(value) if isinstance(value, str) else str(value)
