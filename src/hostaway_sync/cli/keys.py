"""`hostaway-sync keys …`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hostaway_sync.cli import output, streams
from hostaway_sync.cli.arguments import Json
from hostaway_sync.cli.opening import open_mirror

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.store.sealing import Trouble

app = typer.Typer(help="What stored secrets are sealed with.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def status(*, json: Json = False) -> None:
    """Show the keys by their short ids, where they come from, and how much is sealed with each."""
    with open_mirror() as mirror:
        found = mirror.keys.status()
    for key in found.keys:
        if not key.is_known:
            streams.say(f"{key.values} values are sealed with key {key.key}, which is not there: restore it")
    if found.plain:
        streams.say(f"{found.plain} values are not sealed: `hostaway-sync keys rotate` seals them")
    if json:
        output.print_json(asdict(found))
        return
    typer.echo(f"The keys come from {found.source}.")
    rows = [[key.key, key.values, _role(seals=key.seals, is_known=key.is_known)] for key in found.keys]
    output.print_rows(["key", "values", "role"], rows)


@app.command()
def check(*, json: Json = False) -> None:
    """Open everything that is sealed, and name what does not open.

    Exit 1 when something does not, or lies there unsealed.
    """
    with open_mirror() as mirror:
        passed = mirror.keys.check()
    _tell(passed.troubles)
    if json:
        output.print_json({"values": passed.seen, "troubles": _documents(passed.troubles)})
    elif output.is_terminal() and not passed.troubles:
        typer.echo(f"All {passed.seen} sealed values open.")
    if passed.troubles:
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
        done = mirror.keys.rotate(retire=retire)
    _tell(done.troubles)
    if json:
        output.print_json({**asdict(done), "troubles": _documents(done.troubles)})
    elif output.is_terminal():
        typer.echo(f"{done.resealed} values sealed anew; key {done.seals} seals all.")
        if done.retired:
            typer.echo(f"Taken out of the key file: {', '.join(done.retired)}.")
        if done.unused:
            typer.echo(f"No longer needed, but for backups of the database: {', '.join(done.unused)}.")
    if done.troubles:
        raise typer.Exit(1)


def _role(*, seals: bool, is_known: bool) -> str:
    if not is_known:
        return "missing"
    return "seals" if seals else "opens"


def _tell(troubles: Iterable[Trouble]) -> None:
    for trouble in troubles:
        streams.say(trouble.reason)


def _documents(troubles: Iterable[Trouble]) -> list[dict[str, Any]]:
    """Give the keys that scripts rely on; never a value."""
    return [{**asdict(one.place), "is_plain": one.is_plain, "reason": one.reason} for one in troubles]
