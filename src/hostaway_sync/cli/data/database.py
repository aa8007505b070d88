"""`hostaway-sync database …`."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hostaway_sync.app.documents.database import (
    move_preview_document,
    moved_database_document,
    restored_document,
)
from hostaway_sync.cli.data import dumps, payload_fields
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.process.private_files import read_private
from hostaway_sync.cli.ui import tables, terminal
from hostaway_sync.cli.ui.options import Json
from hostaway_sync.errors import LeaseHeld, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import SecretStr

    from hostaway_sync.store.database_move.relocate import MoveResult

LONGEST_URL: Final = 10_000

app = typer.Typer(
    help="Open a shell, dump, restore and move the database.", no_args_is_help=True, rich_markup_mode=None
)
app.command()(dumps.shell)
app.command()(dumps.dump)
app.command()(dumps.restore)
app.add_typer(payload_fields.app, name="payload-fields")


@app.callback()
def database() -> None:
    """Open a shell, dump, restore and move the database."""


@app.command()
def move(
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL|-",
            help="File with the target URL that only you can read; - for stdin; or a URL without a password.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be copied, and change nothing.")] = False,
    json: Json = False,
) -> None:
    """Move the whole mirror into another, empty database, such as from the embedded one to a server.

    Stop every other program first; the move takes minutes. Every table is
    copied and compared, the queue included. Afterwards this database refuses
    every program. If the command was killed or cut off, run it again. Roles
    are not moved.
    """
    url = _url(to)
    began = time.monotonic()
    with open_mirror(check_schema=False) as mirror:
        if dry_run:
            rows = mirror.database.preview_move(url)
            if json:
                terminal.print_json(move_preview_document(rows))
            else:
                _print_rows(rows)
            return
        try:
            with _show_steps() as note:
                done = mirror.database.move(url, note)
        except LeaseHeld as error:
            # In a pipe, too: a person runs this command, and must know which program to stop.
            streams.print_notice(str(error))
            raise typer.Exit(error.exit_code) from None
        keys = mirror.database.keys_source
    seconds = time.monotonic() - began
    if json:
        terminal.print_json(moved_database_document(done, seconds=seconds))
    else:
        _print_rows({table.name: table.rows for table in done.tables})
    _print_next_steps(done, to, keys, seconds)


@app.command()
def restored(*, json: Json = False) -> None:
    """Declare that this database was restored from a snapshot of its disk, before any other command runs on it.

    A restore by pg_restore, or a recovery to a point in time, is noticed
    without this command. Messages that were pending are not sent: each is
    looked for in its thread, and waits for you where it is not found. It is
    safe to run again.
    """
    with open_mirror() as mirror:
        number = mirror.database.declare_restored()
    if json:
        terminal.print_json(restored_document(number))
        return
    terminal.echo("Noted: no message was pending." if not number else f"Noted: {_looked_for(number)}")


def _looked_for(number: int) -> str:
    messages, them = (
        ("1 message that was pending is", "it") if number == 1 else (f"{number:,} pending messages are", "them")
    )
    return (
        f"{messages} looked for by the next sync or worker, which sends none of {them}; "
        "see `hostaway-sync messages list --state outcome_unknown`"
    )


def _print_next_steps(done: MoveResult, to: str, keys: str | None, seconds: float) -> None:
    rows = sum(table.rows for table in done.tables)
    how = "an earlier move had copied them" if done.only_opened else f"{seconds:.1f} s"
    streams.print_notice(f"moved: {rows:,} rows in {len(done.tables)} tables, equal on both sides ({how})")
    named = f"HOSTAWAY_SYNC_DATABASE_URL={to}" if "://" in to else f"HOSTAWAY_SYNC_DATABASE_URL_FILE={to}"
    if to == "-":
        named = "HOSTAWAY_SYNC_DATABASE_URL to that URL"
    streams.print_notice(f"now set {named} for every program, and start them again; this database refuses them")
    if keys:
        streams.print_notice(f"the master key stays where it is, and opens the moved secrets: {keys}")
    streams.print_notice(
        "roles belong to a server: if you use them, run `hostaway-sync roles create` with the new setting"
    )


def _print_rows(rows: dict[str, int]) -> None:
    lines = tables.new_table(["table", "rows"], right=["rows"])
    for name, number in rows.items():
        if number:
            lines.add_row(name, f"{number:,}")
    terminal.show(lines)


@contextmanager
def _show_steps() -> Iterator[Callable[[str, str], object]]:
    """Show the current step and table on one line of a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _, __: None
        return
    from rich.console import Console

    with Console(stderr=True, highlight=False).status("opening") as line:
        yield lambda what, table: line.update(f"{what} {table}")


def _url(to: str) -> SecretStr:
    from pydantic import SecretStr

    if "://" in to:
        if _has_password(to):
            raise UsageError(
                "every user of this machine can read a password in a command line: put the URL into a file"
            )
        return SecretStr(to)
    content = sys.stdin.buffer.read(LONGEST_URL + 1) if to == "-" else read_private(to, LONGEST_URL)
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        text = ""
    if "://" not in text or "\n" in text or len(content) > LONGEST_URL:
        raise UsageError("there is no URL to move to: give one line, such as postgresql://user:password@host/database")
    return SecretStr(text)


def _has_password(url: str) -> bool:
    from urllib.parse import parse_qs, urlsplit

    try:
        parts = urlsplit(url)
        return parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True)
    except ValueError:
        return True
