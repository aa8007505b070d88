"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hostaway_sync.model.ids import read_id

_LONGEST_SHOWN = 40


def positive_number(text: str) -> int:
    """Read an account id."""
    if account_id := read_id(text):
        return account_id
    raise typer.BadParameter(f"{_shown(text)} is no account id: Hostaway's are numbers, such as 70001")


def number(text: str) -> int:
    """Read an id of Hostaway's, or a number of ours."""
    if some_id := read_id(text):
        return some_id
    raise typer.BadParameter(f"{_shown(text)} is no id: ids are whole numbers, such as 41200077")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


AccountId = Annotated[int, typer.Argument(metavar="ID", parser=positive_number, help="Hostaway account id, a number.")]
AnyAccountId = Annotated[
    int | None, typer.Argument(metavar="ID", parser=positive_number, help="Only this account, and all about it.")
]
OptionalAccountId = Annotated[
    int | None,
    typer.Argument(
        metavar="ID", parser=positive_number, help="Hostaway account id; without it, all.", show_default=False
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
    typer.Option("--reservation", metavar="R", parser=number, help="A reservation, or several: say it again."),
]
Full = Annotated[bool, typer.Option("--full", help="Read everything, whatever is known already.")]
AcceptMissing = Annotated[
    bool, typer.Option("--accept-missing", help="Believe it when suspiciously many rows are gone at once.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Fetch, say what would change, and write nothing.")]
Enqueue = Annotated[bool, typer.Option("--enqueue", help="Leave the work to the workers: queue it, and end.")]
Concurrency = Annotated[
    int, typer.Option(min=1, max=32, help="Objects read at once; half as many accounts are synced beside it.")
]
Textfile = Annotated[
    Path | None,
    typer.Option("--metrics-textfile", metavar="DIR", help="Leave metrics in this directory, for node_exporter."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
