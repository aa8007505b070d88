"""`hostaway-sync prune`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from hostaway_sync.app.documents.database import pruned_document
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.options import Json


def prune(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be deleted, and delete nothing.")
    ] = False,
    audit_log: Annotated[
        int | None,
        typer.Option("--audit-log", min=1, metavar="DAYS", help="Also delete changes of accounts older than this."),
    ] = None,
    json: Json = False,
) -> None:
    """Delete old history: runs, deliveries, attempts, settled messages, days of calendars that are over, changes.

    HOSTAWAY_SYNC_KEEP_RUNS_DAYS, _KEEP_DELIVERIES_DAYS, _KEEP_MESSAGES_DAYS, _KEEP_CALENDAR_DAYS and _KEEP_CHANGES_DAYS
    say how old. Every sync deletes a little of it, too. Other mirrored rows, the newest run of each kind, and what
    waits for a person always stay.
    """
    with open_mirror() as mirror:
        audit = timedelta(days=audit_log) if audit_log is not None else None
        counts = mirror.maintenance.prune(dry_run=dry_run, audit=audit)
    if json:
        terminal.print_json(pruned_document(counts, dry_run=dry_run))
    elif terminal.is_terminal() or dry_run:
        found = [[table, f"{rows:,}"] for table, rows in counts.items() if rows]
        if found:
            reports.print_rows(["table", "rows"], found)
        else:
            terminal.echo("Nothing is old enough to go.")
