"""`hostaway-sync keys …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from hostaway_sync.app.documents.secrets import (
    checked_secrets_document,
    key_status_document,
    moved_secrets_document,
    rotation_document,
)
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import output
from hostaway_sync.cli.ui.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.store.secrets.sealing import UnreadableSecret

DATABASE: Final = "database"
SETTING: Final = "HOSTAWAY_SYNC_SECRETS_STORE"

app = typer.Typer(help="Where secrets lie, and what seals them.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def status(*, json: Json = False) -> None:
    """Show the keys by their short ids, where they come from, and how much is sealed with each."""
    with open_mirror() as mirror:
        found = mirror.secrets.status()
    for key in found.keys:
        if not key.is_known:
            streams.say(f"{key.values} values are sealed with key {key.key}, which is not there: restore it")
    if found.leaving:
        streams.say(
            f"secrets are being moved from {found.leaving} to {found.store}: "
            f"`hostaway-sync keys move --to {found.store}` ends that"
        )
    if found.plain:
        again = "keys rotate" if found.store == DATABASE else f"keys move --to {found.store}"
        streams.say(f"{found.plain} values are not sealed: `hostaway-sync {again}` seals them")
    if json:
        output.print_json(key_status_document(found))
        return
    if found.kind is None:
        output.echo(f"{found.outside} secrets lie in {found.source}; no key of ours seals them.")
        return
    output.echo(f"The keys come from {found.source}.")
    rows = [[key.key, key.values, _role(seals=key.seals, is_known=key.is_known)] for key in found.keys]
    output.print_rows(["key", "values", "role"], rows)


@app.command()
def check(*, json: Json = False) -> None:
    """Open every secret, wherever it lies, and name what does not open.

    Exit 1 when something does not, or lies there unsealed.
    """
    with open_mirror() as mirror:
        checked = mirror.secrets.check()
    passed = checked.passed
    _tell(passed.troubles)
    if checked.orphans:
        streams.say(
            f"{checked.orphans} secrets outside the database belong to nothing, as a command was killed: "
            "`hostaway-sync keys move --to` where they lie deletes them"
        )
    if json:
        output.print_json(checked_secrets_document(checked))
    elif output.is_terminal() and not passed.troubles:
        output.echo(f"All {passed.seen} secrets open.")
    if passed.troubles:
        raise typer.Exit(1)


@app.command()
def move(
    *,
    to: Annotated[Literal["database", "aws"], typer.Option("--to", help="Where secrets are to lie.")],
    json: Json = False,
) -> None:
    """Bring all secrets to another store, while everything runs.

    Each is put there, read back, and then deleted where it lay. Killed or cut
    off in between, nothing is lost: run it again, and it goes on. It also
    deletes what killed commands have left over outside.

    Exit 1 when something does not open, and lies where it lay.
    """
    with open_mirror() as mirror:
        done = mirror.secrets.move(to)
        setting = mirror.secrets.wanted_store
    _tell(done.troubles)
    if json:
        output.print_json(moved_secrets_document(done))
    elif output.is_terminal():
        swept = f", and {done.orphans} deleted that nothing named" if done.orphans else ""
        output.echo(f"{done.moved} secrets moved to {to}{swept}.")
    if setting != to:
        streams.say(f"from now on set {SETTING}={to}, for every program that works on this database")
    if done.troubles:
        raise typer.Exit(1)


@app.command()
def rotate(
    *,
    retire: Annotated[
        bool, typer.Option("--retire", help="Also take old keys out of the key file; older backups need them.")
    ] = False,
    json: Json = False,
) -> None:
    """Seal everything with the first key while everything runs, and whatever is not sealed too.

    A key file gets a new first key, unless an earlier rotation was not
    finished. Keys from elsewhere are changed there: put the new one before
    the old one, run this, then take the old one away.

    Exit 1 when something does not open.
    """
    with open_mirror() as mirror:
        done = mirror.secrets.rotate(retire=retire)
    _tell(done.troubles)
    if json:
        output.print_json(rotation_document(done))
    elif output.is_terminal():
        output.echo(f"{done.resealed} values sealed anew; key {done.seals} seals all.")
        if done.retired:
            output.echo(f"Taken out of the key file: {', '.join(done.retired)}.")
        if done.unused:
            output.echo(f"No longer needed, but for backups of the database: {', '.join(done.unused)}.")
    if done.troubles:
        raise typer.Exit(1)


def _role(*, seals: bool, is_known: bool) -> str:
    if not is_known:
        return "missing"
    return "seals" if seals else "opens"


def _tell(troubles: Iterable[UnreadableSecret]) -> None:
    for trouble in troubles:
        streams.say(trouble.reason)
