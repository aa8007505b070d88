"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from hostaway_sync.model.ids import read_id

_LONGEST_SHOWN = 40


def positive_number(text: str) -> int:
    """Read an account id."""
    if account_id := read_id(text):
        return account_id
    raise typer.BadParameter(f"{shown_text(text)} is not an account id: give Hostaway's number, such as 70001")


def number(text: str) -> int:
    """Read an id of Hostaway's, or a number of ours."""
    if some_id := read_id(text):
        return some_id
    raise typer.BadParameter(f"{shown_text(text)} is not an id: give a whole number, such as 41200077")


def read_day(text: str) -> date:
    """Read a day; other forms of ISO 8601 are none, because few people can tell which day they mean."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise typer.BadParameter(f"{shown_text(text)} is not a day: give YYYY-MM-DD, such as 2026-12-24")


def shown_text(text: str) -> str:
    """Return what a person typed in quotation marks, cut where it is long."""
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


AccountId = Annotated[int, typer.Argument(metavar="ID", parser=positive_number, help="Hostaway account id, a number.")]
AnyAccountId = Annotated[
    int | None, typer.Argument(metavar="ID", parser=positive_number, help="Show this account in detail.")
]
OptionalAccountId = Annotated[
    int | None,
    typer.Argument(
        metavar="ID", parser=positive_number, help="Hostaway account id; default: all accounts.", show_default=False
    ),
]
AccountOption = Annotated[
    int | None, typer.Option("--account", metavar="ID", parser=positive_number, help="Only those of this account.")
]
OneAccountOption = Annotated[
    int, typer.Option("--account", metavar="ID", parser=positive_number, help="Hostaway account id, a number.")
]
Reservations = Annotated[
    list[int] | None,
    typer.Option("--reservation", metavar="R", parser=number, help="Reservation of the guest; may be repeated."),
]
Full = Annotated[bool, typer.Option("--full", help="Read everything, not only what changed.")]
AcceptMissing = Annotated[
    bool, typer.Option("--accept-missing", help="Believe it when suspiciously many rows are gone at once.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Fetch, show what would change, and write nothing.")]
Enqueue = Annotated[bool, typer.Option("--enqueue", help="Queue the syncs for workers, and end.")]
Concurrency = Annotated[
    int, typer.Option(min=1, max=32, help="Read so many objects at once; half as many accounts are synced beside them.")
]
Textfile = Annotated[
    Path | None,
    typer.Option("--metrics-textfile", metavar="DIR", help="Write metrics into this directory, for node_exporter."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
