"""`hostaway-sync account remove`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hostaway_sync.app.documents.accounts import removal_document
from hostaway_sync.cli.process import prompts, streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import AccountId, Json


def remove(
    account_id: AccountId,
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Delete every row of the account, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove an account: its token and our webhook at Hostaway, its secrets here; its rows stay, unless --purge.

    What fails at Hostaway is reported on stderr, and the account is removed here all the same. If the command was
    killed, run it again. With --purge it also deletes the rows of an account that was removed before. The audit log
    stays.
    """
    question = f"This removes account {account_id}{' and deletes all its rows' if purge else '; its rows stay'}."
    prompts.confirm_by_id(account_id, question=question, yes=yes)
    with open_mirror() as mirror:
        removal = mirror.accounts.remove(account_id, purge=purge, progress=Count().add if sys.stderr.isatty() else None)
    for trouble in removal.troubles:
        streams.print_notice(trouble)
    if json:
        terminal.print_json(removal_document(removal, purged=purge))
    elif terminal.is_terminal():
        rows = f"{sum(removal.rows_deleted.values()):,} rows deleted" if purge else "its rows stay"
        terminal.echo(f"Account {account_id} removed; {rows}.")


class Count:
    """A line of a terminal that shows how many rows were deleted."""

    def __init__(self) -> None:
        self._rows = 0

    def add(self, table: str, rows: int) -> None:
        """Add a batch of rows of one table, and show the sum."""
        self._rows += rows
        sys.stderr.write(f"\r\x1b[K{self._rows:,} rows deleted, now of {table}\r")
        sys.stderr.flush()
