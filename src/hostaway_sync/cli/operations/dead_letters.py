"""`hostaway-sync dead-letters …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hostaway_sync.app.documents.messages import (
    dead_letter_details_document,
    dead_letter_document,
    resolved_document,
)
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.options import AccountOption, Json
from hostaway_sync.errors import HostawaySyncError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hostaway_sync.app.jobs.jobs import Jobs
    from hostaway_sync.store.dead_letters import DeadLetter

app = typer.Typer(
    help="Show, retry and discard work that failed for good.", no_args_is_help=True, rich_markup_mode=None
)

_NUMBER = typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="Number of the dead letter, as `list` shows it.")
Number = Annotated[int, _NUMBER]
NumberOrNone = Annotated[int | None, _NUMBER]
_SHOWN_LAST = ("history", "traceback")


@app.command("list")
def list_(
    *,
    account: AccountOption = None,
    all_: Annotated[bool, typer.Option("--all", help="List resolved ones, too.")] = False,
    json: Json = False,
) -> None:
    """List the dead letters."""
    with open_mirror() as mirror:
        letters = mirror.jobs.list_dead_letters(account_id=account, resolved_too=all_)
    if json:
        terminal.print_json([dead_letter_document(letter) for letter in letters])
    elif letters:
        headers = ["id", "account", "what", "deliveries", "since (UTC)", "resolved", "error"]
        reports.print_rows(headers, [_row(letter) for letter in letters])
    elif terminal.is_terminal():
        terminal.echo("No dead letters.")


@app.command()
def show(dead_letter_id: Number, *, json: Json = False) -> None:
    """Show one dead letter: payload, headers, every attempt, the last traceback."""
    with open_mirror() as mirror:
        letter = mirror.jobs.get_dead_letter(dead_letter_id)
    document = dead_letter_details_document(letter)
    if json:
        terminal.print_json(document)
        return
    for name, value in document.items():
        if value is not None and name not in _SHOWN_LAST:
            terminal.echo(f"{name}: {value}")
    for attempt in letter.history:
        terminal.echo(f"attempt {attempt['number']}, {attempt['started_at']}: {attempt['error']}")
    if letter.traceback:
        terminal.echo(letter.traceback.rstrip())


@app.command()
def retry(
    dead_letter_id: NumberOrNone = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every one that is not resolved.")] = False,
    account: AccountOption = None,
    json: Json = False,
) -> None:
    """Queue the work again, with new attempts."""
    with open_mirror() as mirror:
        resolve = mirror.jobs.retry_dead_letter
        _resolve(mirror.jobs, resolve, dead_letter_id, account, every=all_, done="retried", json=json)


@app.command()
def discard(
    dead_letter_id: NumberOrNone = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every one that is not resolved.")] = False,
    account: AccountOption = None,
    json: Json = False,
) -> None:
    """Give the work up; the dead letter stays in the table, as resolved."""
    with open_mirror() as mirror:
        resolve = mirror.jobs.discard_dead_letter
        _resolve(mirror.jobs, resolve, dead_letter_id, account, every=all_, done="discarded", json=json)


def _resolve(
    jobs: Jobs,
    resolve: Callable[[int], None],
    dead_letter_id: int | None,
    account_id: int | None,
    *,
    every: bool,
    done: Literal["retried", "discarded"],
    json: bool,
) -> None:
    if (dead_letter_id is None) is not every or (account_id is not None and not every):
        raise UsageError("no dead letter is given, or too many options: give one ID, or --all, alone or with --account")
    if dead_letter_id is not None:
        resolve(dead_letter_id)
        numbers = [dead_letter_id]
    else:
        waiting = [letter.dead_letter_id for letter in jobs.list_dead_letters(account_id=account_id)]
        numbers = [number for number in waiting if _is_resolved_by_us(resolve, number)]
    if json:
        terminal.print_json(resolved_document(done, numbers))
    elif terminal.is_terminal():
        terminal.echo(f"{len(numbers)} {done}.")


def _is_resolved_by_us(resolve: Callable[[int], None], number: int) -> bool:
    """Resolve one of many; return False when another process resolved it meanwhile."""
    try:
        resolve(number)
    except StoreError:
        raise
    except HostawaySyncError:
        return False
    return True


def _row(letter: DeadLetter) -> list[object]:
    return [
        letter.dead_letter_id,
        letter.account_id,
        f"{letter.target_resource} {letter.target_id}" if letter.target_resource else letter.kind,
        letter.deliveries,
        f"{letter.created_at:%Y-%m-%d %H:%M}",
        letter.resolution,
        letter.error,
    ]
