"""The program: its commands, what signals do to it, and how errors end it."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli import accounts, demo, migrate, sync
from hostaway_sync.errors import HostawaySyncError, LeaseHeld

if TYPE_CHECKING:
    from types import FrameType

app = typer.Typer(
    name="hostaway-sync",
    help="Mirror Hostaway accounts into PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(accounts.app, name="account")
app.command("sync")(sync.sync)
app.command("sync-all")(sync.sync_all)
app.command("migrate")(migrate.migrate)
app.command("demo")(demo.demo)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (a callback of typer)
    if wanted:
        from hostaway_sync import __version__

        typer.echo(f"hostaway-sync {__version__}")
        raise typer.Exit


@app.callback()
def program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Mirror Hostaway accounts into PostgreSQL."""
    del version


def run() -> None:
    """Run the command line and end the process with the exit code that its outcome has."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app(prog_name="hostaway-sync")
    except HostawaySyncError as error:
        # Cron mails whatever is printed; that another run is at work is no news.
        if not isinstance(error, LeaseHeld) or sys.stderr.isatty():
            sys.stderr.write(f"hostaway-sync: {error}\n")
        raise SystemExit(error.exit_code) from None
    except SystemExit as end:
        if isinstance(end.code, int) and end.code > 128:  # noqa: PLR2004  (128 and the signal's number)
            _leave(end.code)
        raise


def _stop(number: int, frame: FrameType | None) -> None:
    """Unwind, so that the run is marked and its lease given back; a second signal ends the process at once."""
    del frame
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    raise SystemExit(128 + number)


def _leave(code: int) -> None:
    """End without waiting for threads that still hang in a request: they can write nothing any more."""
    if sys.stderr.isatty():
        sys.stderr.write("hostaway-sync: stopped; what was read so far is stored\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
