"""`hostaway-sync database shell`, `dump` and `restore`."""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.errors import LeaseHeld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.app.data.dumps import RestoreResult

DumpFile = Annotated[Path, typer.Argument(metavar="FILE", help="File of the dump, in the custom format of pg_dump.")]


def shell(
    *,
    write: Annotated[bool, typer.Option("--write", help="Allow statements that change something.")] = False,
) -> None:
    """Open psql on the database of the mirror; without --write it only reads.

    The embedded database is started if need be, and runs until you leave.
    There, a shell that only reads cannot do otherwise; on another server the
    read-only mode is a guard against slips, and the role decides.
    """
    with open_mirror(check_schema=False) as mirror, mirror.dumps.shell(may_write=write) as ready:
        process = subprocess.Popen(ready.command, env=ready.environment)  # noqa: S603  (our own arguments, no shell)
        try:
            with _interrupts_for_child():
                code = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    raise typer.Exit(1 if code else 0)


def dump(
    file: DumpFile,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write the whole mirror into one file, as of one moment, while other programs go on.

    The file appears when it is whole, and only you may read it. Secrets are
    in it as they are stored: sealed, and worth nothing without the key.
    """
    with open_mirror(check_schema=False) as mirror:
        size = mirror.dumps.write(file, may_replace=force)
        keys = mirror.database.keys_source
    if terminal.is_terminal():
        terminal.echo(f"{file}: {size:,} bytes")
        if keys:
            terminal.echo(f"The key that opens its secrets is not in it: keep that as well, and elsewhere ({keys}).")


def restore(file: DumpFile) -> None:
    """Restore a dump into this database, which must be empty; all of it or nothing.

    Afterwards the schema is at this program's revision, the groups of roles
    have their rights, and messages that were pending are looked for before
    any is sent. Stop every other program first.
    """
    with open_mirror(check_schema=False) as mirror:
        try:
            done = mirror.dumps.restore(file)
        except LeaseHeld as error:
            # In a pipe, too: a person runs this command, and must know which program to stop.
            streams.print_notice(str(error))
            raise typer.Exit(error.exit_code) from None
        keys = mirror.database.keys_source
    _print_next_steps(file, done, keys)
    if done.roles_error:
        raise typer.Exit(1)


def _print_next_steps(file: Path, done: RestoreResult, keys: str | None) -> None:
    streams.print_notice(f"restored: {file}, which was at revision {done.revision}")
    if done.looked_for:
        streams.print_notice(f"messages that were pending are looked for in their threads: {done.looked_for:,}")
    if done.roles:
        names = ", ".join(done.roles)
        streams.print_notice(f"the groups {names} have their rights; put log-in roles into them again: GRANT … TO …")
    if done.roles_error:
        streams.print_notice(f"the rights of roles are missing: {done.roles_error}; run `hostaway-sync roles create`")
    place = f"the keys are those of {keys}" if keys else "there is no key here: bring the key file of the old mirror"
    streams.print_notice(f"{place}; `hostaway-sync keys check` tells whether they open its secrets")


@contextmanager
def _interrupts_for_child() -> Iterator[None]:
    """Leave Ctrl-C to the program in the foreground, which cancels a query by it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
