"""`hostaway-sync prune`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from hostaway_sync.app.documents.database import pruned_document
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import output
from hostaway_sync.cli.ui.options import Json


def prune(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go, and delete nothing.")] = False,
    audit_log: Annotated[
        int | None,
        typer.Option("--audit-log", min=1, metavar="DAYS", help="Also changes of accounts older than that."),
    ] = None,
    json: Json = False,
) -> None:
    """Delete history that is old: runs, deliveries, attempts, settled messages.

    HOSTAWAY_SYNC_KEEP_RUNS_DAYS, _KEEP_DELIVERIES_DAYS and _KEEP_MESSAGES_DAYS say how old. Every sync does a little of
    it by itself. Mirrored rows, the newest run of each kind, and what waits for a person always stay.
    """
    with open_mirror() as mirror:
        audit = timedelta(days=audit_log) if audit_log is not None else None
        counts = mirror.maintenance.prune(dry_run=dry_run, audit=audit)
    if json:
        output.print_json(pruned_document(counts, dry_run=dry_run))
    elif output.is_terminal() or dry_run:
        found = [[table, f"{rows:,}"] for table, rows in counts.items() if rows]
        if found:
            output.print_rows(["table", "rows"], found)
        else:
            output.echo("Nothing is old enough to go.")
