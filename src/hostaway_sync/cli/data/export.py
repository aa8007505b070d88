"""`hostaway-sync export`."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.json_pieces import json_pieces
from hostaway_sync.cli.ui.options import positive_number, read_day
from hostaway_sync.cli.ui.spreadsheet import csv_pieces
from hostaway_sync.environment.whole_files import whole_file
from hostaway_sync.store.queries.exports import EXPORTS, Exported, ExportRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.queries.session import Query


class ExportFormat(StrEnum):
    """The form in which an export is written."""

    CSV = "csv"
    JSONL = "jsonl"


def export(
    what: Annotated[Exported, typer.Argument(help="What to export.")],
    *,
    first: Annotated[
        date | None,
        typer.Option("--from", metavar="DAY", parser=read_day, help="First day, YYYY-MM-DD; default: no bound."),
    ] = None,
    last: Annotated[
        date | None,
        typer.Option("--to", metavar="DAY", parser=read_day, help="Last day, included; default: no bound."),
    ] = None,
    account: Annotated[
        list[int] | None,
        typer.Option(
            "--account", metavar="ID", parser=positive_number, help="Only this account; may be repeated; default: all."
        ),
    ] = None,
    with_missing: Annotated[
        bool, typer.Option("--with-missing", help="Also rows that Hostaway no longer has.")
    ] = False,
    output_format: Annotated[ExportFormat, typer.Option("--format", help="Form of the export.")] = ExportFormat.CSV,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write this file, and replace it; default: stdout."),
    ] = None,
    timeout: Annotated[
        int, typer.Option(min=1, max=86_400, metavar="SECONDS", help="Stop the export after this time.")
    ] = 3600,
) -> None:
    """Export reservations, nights, messages and more for a spreadsheet, without SQL.

    The rows are those of the view of `core`, in the order of their days:
    reservations by check-in, messages by the moment they were sent, in UTC.
    In csv no cell is a formula, whatever a guest wrote into it. A file
    appears when it is whole, and only you may read it.
    """
    request = ExportRequest(first, last, tuple(account or ()), with_missing=with_missing)
    patience = timedelta(seconds=timeout)
    with open_mirror(check_schema=False) as mirror, mirror.exports.open(EXPORTS[what], request, patience) as query:
        pieces = _pieces(query, output_format)
        if output is None:
            terminal.write_pieces(pieces)
            return
        with whole_file(output, may_replace=True) as file:
            for piece in pieces:
                file.stream.write(piece)


def _pieces(query: Query, output_format: ExportFormat) -> Iterator[bytes]:
    if output_format is ExportFormat.CSV:
        return csv_pieces(query.columns, query.rows())
    return json_pieces(query.json(), is_lines=True)
