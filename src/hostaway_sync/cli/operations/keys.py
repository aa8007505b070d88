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
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.store.secrets.sealing import UnreadableSecret

DATABASE: Final = "database"
SETTING: Final = "HOSTAWAY_SYNC_SECRETS_STORE"

app = typer.Typer(
    help="Show and change where secrets are stored, and the keys that seal them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def status(*, json: Json = False) -> None:
    """Show the keys by their short ids, where they come from, and how many values each seals."""
    with open_mirror() as mirror:
        found = mirror.secrets.status()
    for key in found.keys:
        if not key.is_known:
            streams.print_notice(
                f"{key.values} values are sealed with key {key.key}, which is missing: restore it from your backup"
            )
    if found.leaving:
        streams.print_notice(
            f"secrets are being moved from {found.leaving} to {found.store}: "
            f"`hostaway-sync keys move --to {found.store}` finishes that"
        )
    if found.plain:
        again = "keys rotate" if found.store == DATABASE else f"keys move --to {found.store}"
        streams.print_notice(f"{found.plain} values are not sealed: `hostaway-sync {again}` seals them")
    if json:
        terminal.print_json(key_status_document(found))
        return
    if found.kind is None:
        terminal.echo(f"{found.outside} secrets lie in {found.source}; no key of ours seals them.")
        return
    terminal.echo(f"The keys come from {found.source}.")
    rows = [[key.key, key.values, _role(seals=key.seals, is_known=key.is_known)] for key in found.keys]
    reports.print_rows(["key", "values", "role"], rows)


@app.command()
def check(*, json: Json = False) -> None:
    """Open every secret in every store, and name those that do not open.

    Exit 1 when a secret does not open, or is not sealed.
    """
    with open_mirror() as mirror:
        checked = mirror.secrets.check()
    passed = checked.passed
    _tell(passed.troubles)
    if checked.orphans:
        streams.print_notice(
            f"{checked.orphans} secrets outside the database belong to no account, because a command was killed: "
            "`hostaway-sync keys move --to` their store deletes them"
        )
    if json:
        terminal.print_json(checked_secrets_document(checked))
    elif terminal.is_terminal() and not passed.troubles:
        terminal.echo(f"All {passed.seen} secrets open.")
    if passed.troubles:
        raise typer.Exit(1)


@app.command()
def move(
    *,
    to: Annotated[Literal["database", "aws", "vault"], typer.Option("--to", help="Move the secrets to this store.")],
    json: Json = False,
) -> None:
    """Move all secrets to another store, while everything runs.

    Each secret is written there, read back, and then deleted in the old
    store. If the command was killed or cut off, nothing is lost: run it
    again. It also deletes what killed commands left over outside the database.

    Exit 1 when a secret does not open; it stays where it is.
    """
    with open_mirror() as mirror:
        done = mirror.secrets.move(to)
        setting = mirror.secrets.wanted_store
    _tell(done.troubles)
    if json:
        terminal.print_json(moved_secrets_document(done))
    elif terminal.is_terminal():
        swept = f", and {done.orphans} deleted that belonged to no account" if done.orphans else ""
        terminal.echo(f"{done.moved} secrets moved to {to}{swept}.")
    if setting != to:
        streams.print_notice(f"from now on set {SETTING}={to}, for every program that works on this database")
    if done.troubles:
        raise typer.Exit(1)


@app.command()
def rotate(
    *,
    retire: Annotated[
        bool, typer.Option("--retire", help="Also remove old keys from the key file; older backups need them.")
    ] = False,
    json: Json = False,
) -> None:
    """Seal every secret with the first key, while everything runs.

    A key file gets a new first key, unless an earlier rotation was not
    finished. Keys from elsewhere are changed there: put the new key before
    the old one, run this command, then remove the old key.

    Exit 1 when a secret does not open.
    """
    with open_mirror() as mirror:
        done = mirror.secrets.rotate(retire=retire)
    _tell(done.troubles)
    if json:
        terminal.print_json(rotation_document(done))
    elif terminal.is_terminal():
        terminal.echo(f"{done.resealed} values sealed anew; key {done.seals} seals all.")
        if done.retired:
            terminal.echo(f"Removed from the key file: {', '.join(done.retired)}.")
        if done.unused:
            terminal.echo(f"No longer needed, but for backups of the database: {', '.join(done.unused)}.")
    if done.troubles:
        raise typer.Exit(1)


def _role(*, seals: bool, is_known: bool) -> str:
    if not is_known:
        return "missing"
    return "seals" if seals else "opens"


def _tell(troubles: Iterable[UnreadableSecret]) -> None:
    for trouble in troubles:
        streams.print_notice(trouble.reason)
