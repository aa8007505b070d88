"""`hostaway-sync account remove`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hostaway_sync.app.documents.accounts import removal_document
from hostaway_sync.cli.process import prompts, streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import output
from hostaway_sync.cli.ui.options import AccountId, Json


def remove(
    account_id: AccountId,
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Delete every row of it as well.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """End an account: its token and our webhook at Hostaway, its secrets here; its rows stay, unless --purge.

    What Hostaway could not be told is said on stderr, and does not keep the account. Killed in between, run it again.
    With --purge it also deletes the rows of an account that was removed before. The audit log stays.
    """
    question = f"This ends account {account_id}{' and deletes all its rows' if purge else '; its rows stay'}."
    prompts.confirm_by_id(account_id, question=question, yes=yes)
    with open_mirror() as mirror:
        removal = mirror.accounts.remove(account_id, purge=purge, progress=Count().add if sys.stderr.isatty() else None)
    for trouble in removal.troubles:
        streams.say(trouble)
    if json:
        output.print_json(removal_document(removal, purged=purge))
    elif output.is_terminal():
        rows = f"{sum(removal.rows_deleted.values()):,} rows deleted" if purge else "its rows stay"
        output.echo(f"Account {account_id} removed; {rows}.")


class Count:
    """Says on one line of a terminal how far it is."""

    def __init__(self) -> None:
        self._rows = 0

    def add(self, table: str, rows: int) -> None:
        """Take down a batch of one table."""
        self._rows += rows
        sys.stderr.write(f"\r\x1b[K{self._rows:,} rows deleted, now of {table}\r")
        sys.stderr.flush()
