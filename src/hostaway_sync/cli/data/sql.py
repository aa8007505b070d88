"""`hostaway-sync sql`."""

from __future__ import annotations

import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.answer_table import print_answer
from hostaway_sync.cli.ui.json_pieces import json_pieces
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from hostaway_sync.store.queries.session import Query

# The most that is read of a file; a longer statement is refused by its length.
_MOST_BYTES: Final = 4_000_001


class Format(StrEnum):
    """The form in which an answer is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


def sql(
    statement: Annotated[
        str | None, typer.Argument(metavar="STATEMENT", help="SELECT, WITH, VALUES, TABLE, EXPLAIN or SHOW.")
    ] = None,
    *,
    output: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Form of the answer; default: a table on a terminal, else csv.", show_default=False
        ),
    ] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", metavar="FILE", help="Read the statement from this file; - for stdin.")
    ] = None,
    timeout: Annotated[
        int, typer.Option(min=1, max=86_400, metavar="SECONDS", help="Stop the query after this time.")
    ] = 300,
) -> None:
    """Answer a query in plain SQL; nothing can be changed by it.

    Names without a schema are the tables of the mirror. The answer may have
    any length: it passes through in a stream. A table cuts long cells and is
    for people; the other formats are exact. Secrets stay sealed, and a role
    that is bound to accounts sees those alone. Exit 2 when the statement
    cannot be right, 1 when it failed.
    """
    text = _read(statement, file)
    patience = timedelta(seconds=timeout)
    with open_mirror(check_schema=False) as mirror, mirror.queries.open(text, timeout=patience) as query:
        _print(query, output or (Format.TABLE if terminal.is_terminal() else Format.CSV))


def _print(query: Query, output: Format) -> None:
    if output is Format.TABLE:
        left_out = print_answer(query.columns, query.rows())
        if left_out:
            names = ", ".join(left_out)
            streams.print_notice(f"there was no room for {names}: ask for fewer columns, or use --format csv")
    elif output is Format.CSV:
        terminal.write_pieces(query.csv())
    else:
        terminal.write_pieces(json_pieces(query.json(), is_lines=output is Format.JSONL))


def _read(statement: str | None, file: str | None) -> str:
    if (statement is None) == (file is None):
        raise UsageError("give one statement: as an argument in quotation marks, or with --file")
    if statement is not None:
        return statement
    content = sys.stdin.buffer.read(_MOST_BYTES) if file == "-" else _content(Path(str(file)))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not encoded in UTF-8: save it as UTF-8, and try again") from None


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)
