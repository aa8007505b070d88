"""`hostaway-sync migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.errors import UsageError


def migrate(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 when the database is behind.")] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the SQL for an empty database, and change nothing.")
    ] = False,
) -> None:
    """Bring the database's schema to this program's revision."""
    if check and sql:
        raise UsageError("--check and --sql exclude each other: use one of them")
    if sql:
        from hostaway_sync.app.database import migration_sql

        terminal.echo(migration_sql().removesuffix("\n"))
        return
    with open_mirror(check_schema=False) as mirror:
        if check:
            found, wanted = mirror.database.revisions()
            if terminal.is_terminal() or found != wanted:
                terminal.echo(f"database: {found or 'none'}, program: {wanted}")
            views = mirror.database.missing_views() if found == wanted else []
            if views:
                terminal.echo(f"views to be made: {', '.join(views)}")
            if found != wanted or views:
                raise typer.Exit(1)
            return
        before, after = mirror.migrate()
    if terminal.is_terminal():
        terminal.echo(
            f"The schema is at revision {after}" + (" already." if before == after else f" (was {before or 'none'}).")
        )
