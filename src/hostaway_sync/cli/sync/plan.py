"""`hostaway-sync plan`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.app.documents.capacity import forecast_document
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json
from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from hostaway_sync.model.capacity import AddressLoad, CalendarNeed, Forecast, RequestNeed
    from hostaway_sync.model.status import AccountFacts

_MINUTES_A_DAY = 24 * 60
_TWO_FIGURES = 10
Every = Annotated[
    int, typer.Option(metavar="MINUTES", min=1, max=_MINUTES_A_DAY, help="Minutes between two runs of an account.")
]


def plan(*, every: Every = 60, json: Json = False) -> None:
    """Predict API calls, and how many accounts fit one address.

    It sends no request: it computes from the mirrored rows, the recorded runs, and the limits in the settings.
    """
    with open_mirror() as mirror:
        forecast = mirror.status.forecast(every=timedelta(minutes=every))
    if json:
        terminal.print_json(forecast_document(forecast, every_minutes=every))
    elif forecast.needs:
        _print_forecast(forecast, every)
    else:
        terminal.echo("No active accounts yet: add one with `hostaway-sync account add ID`.")


def _print_forecast(forecast: Forecast, every: int) -> None:
    from hostaway_sync.cli.ui.tables import Column, Grid, print_paragraph

    sizes = [Column(name, is_number=True, is_spare=True) for name in ("listings", "reservations", "threads")]
    # A column that is empty in each row is not shown.
    names = ("first sync", "minutes", "sweep", "run", "calendars", "others", "a day")
    numbers = [Column(name, is_number=True) for name in names]
    grid = Grid([Column("account"), Column("name", least=6, most=20), *sizes, *numbers])
    for facts, need in forecast.needs:
        known = (f"{facts.live(resource):,}" for resource in list(Resource)[:3])
        cells = _cells(need) if need else ["?"] * 4 + [""] * 2 + ["?"]
        grid.add([str(facts.account_id), facts.name or "", *known, *cells], "" if need else _unknown(facts))
    grid.show()
    print_paragraph("")
    for words in _sentences(forecast, every):
        print_paragraph(words)


def _cells(need: RequestNeed) -> list[str]:
    run = f"{need.run_calls:,.1f}{'*' if need.is_assumed else ''}"
    return [
        f"{need.first_sync_calls:,}",
        _minutes(need.first_sync_minutes),
        f"{need.sweep_calls:,}",
        run,
        _calendars(need.calendar) if need.calendar else "",
        f"{need.kinds_per_day:,.0f}" if need.kinds else "",
        f"{need.per_day:,.0f}",
    ]


def _calendars(need: CalendarNeed) -> str:
    return f"{need.per_day:,.0f}{'+' if need.marks_per_day is None else ''}"


def _sentences(forecast: Forecast, every: int) -> list[str]:
    load, needs = forecast.load, [need for _, need in forecast.needs if need is not None]
    said = ["All figures but the minutes are API calls."]
    if any(need.is_assumed for need in needs):
        said[0] += " * no incremental run in the last 7 days: assumed."
    if needs:
        runs, sweeps = needs[0].runs_per_day, needs[0].sweeps_per_day
        said += [
            f"Every {every} min: {runs:.1f} incremental runs and {sweeps:.1f} sweeps of each account a day.",
            f"Together {load.per_day:,.0f} calls a day: {load.share:.2%} of an address's {load.max_per_day:,.0f}.",
            *_part_sentences(needs, load),
            f"About {load.accounts_that_fit:,} accounts like these fit one address.",
            f"The busiest hour, when all sweeps fall together: {_minutes(load.sweeps_minutes)} min of calls.",
        ]
    unknown = len(forecast.needs) - len(needs)
    if unknown:
        said.append(f"Not in the sums: {unknown} account{'' if unknown == 1 else 's'} never synced whole.")
    return said


def _part_sentences(needs: list[RequestNeed], load: AddressLoad) -> list[str]:
    """Return what of a day's calls is for calendars and other resources."""
    known = [need.calendar for need in needs if need.calendar is not None]
    has_kinds = any(need.kinds for need in needs)
    if not known and not has_kinds:
        return []
    lists = f"{load.per_day - load.calendar_per_day - load.kinds_per_day:,.0f} of them for lists and threads"
    if has_kinds:
        lists += f", {load.kinds_per_day:,.0f} at most for other resources"
    if not known:
        return [f"{lists}."]
    in_turn = sum(need.in_turn_per_day for need in known)
    marks = sum(need.marks_per_day or 0 for need in known)
    said = (
        f"{lists}, {load.calendar_per_day:,.0f} for calendars: {in_turn:,.0f} in turn, {marks:,.0f} for changed stays."
    )
    if any(need.marks_per_day is None for need in known):
        said += " + without the days of changed stays: no day of runs is on record yet."
    return [said]


def _unknown(facts: AccountFacts) -> str:
    read = sum(rows.total for rows in facts.rows.values())
    return f"unknown until its first sync is whole{f', {read:,} rows so far' if read else ''}"


def _minutes(minutes: float) -> str:
    return f"{minutes:,.1f}" if minutes < _TWO_FIGURES else f"{minutes:,.0f}"
