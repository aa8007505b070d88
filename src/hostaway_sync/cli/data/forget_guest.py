"""`hostaway-sync forget-guest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.app.documents.database import erasure_document
from hostaway_sync.cli.process import prompts, streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.options import Json, OneAccountOption, Reservations
from hostaway_sync.errors import RunIncomplete, UsageError

if TYPE_CHECKING:
    from hostaway_sync.store.privacy.forget import ForgetResult

Emails = Annotated[
    list[str] | None,
    typer.Option("--email", metavar="TEXT", help="Mail address of the guest; may be repeated."),
]


def forget_guest(
    account_id: OneAccountOption,
    *,
    reservation: Reservations = None,
    email: Emails = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be erased, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase a guest: names, addresses, codes and the text of every message; nights and money stay.

    The reservations are remembered, so that no sync, webhook or repair brings the guest back. It cannot be undone.
    Hostaway keeps the guest: have it erased there, too. If the command was killed, run it again. Exit 1 when a
    reservation or address was not found.
    """
    if not reservation and not email:
        raise UsageError("no guest is given: use --reservation or --email")
    for address in email or ():
        prompts.require_text(address, "the address")
    with open_mirror() as mirror:
        if not dry_run and not yes:
            found = mirror.privacy.forget_guests(account_id, reservation or (), email or (), dry_run=True)
            prompts.confirm_by_id(account_id, question=f"This erases {_words(found)}.", yes=yes)
        done = mirror.privacy.forget_guests(account_id, reservation or (), email or (), dry_run=dry_run)
    if json:
        terminal.print_json(erasure_document(account_id, done, dry_run=dry_run))
    elif terminal.is_terminal():
        _print(account_id, done, dry_run=dry_run)
    _require_found(account_id, done)


def _require_found(account_id: int, done: ForgetResult) -> None:
    """Report what was asked for and not found: a silent command would read as a guest erased.

    Raises:
        RunIncomplete: it is nowhere, and this call did not end an earlier one that was cut.
    """
    missed = [f"reservation {number}" for number in done.unknown]
    if done.unknown_addresses:
        missed.append(f"{done.unknown_addresses} of the addresses, unless the guest was erased before")
    if not missed:
        return
    sentence = f"account {account_id}: not found: {'; '.join(missed)}: check the id and the spelling"
    if not done.is_resumed:
        raise RunIncomplete(sentence)
    streams.print_notice(f"{sentence}; what an earlier call left behind is erased")


def _words(done: ForgetResult) -> str:
    one = "reservation" if len(done.reservations) == 1 else "reservations"
    return f"the guest of {len(done.reservations):,} {one} from {sum(done.rows.values()):,} rows"


def _print(account_id: int, done: ForgetResult, *, dry_run: bool) -> None:
    if done.rows:
        reports.print_rows(["table", "rows"], sorted(done.rows.items()))
    if not done.reservations and not done.conversations:
        terminal.echo(f"account {account_id}: no guest was found, nothing was erased")
        return
    if not done.rows:
        terminal.echo(f"account {account_id}: the guest was erased before, and nothing is left to erase")
        return
    would = "would be erased" if dry_run else "is erased"
    ids = ", ".join(map(str, done.reservations))
    terminal.echo(
        f"account {account_id}: {_words(done)} {would}; nights and money stay (reservations: {ids or 'none'})"
    )
