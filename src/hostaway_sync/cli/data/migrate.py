"""`hostaway-sync migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process.open_app import load_known_settings, open_mirror
from hostaway_sync.cli.process.streams import print_notice
from hostaway_sync.cli.ui import terminal
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from hostaway_sync.app.database import DatabaseOperations


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

        terminal.echo(migration_sql(load_known_settings().core_schema).removesuffix("\n"))
        return
    with open_mirror(check_schema=False) as mirror:
        if check:
            found, wanted = mirror.database.revisions()
            if terminal.is_terminal() or found != wanted:
                terminal.echo(f"database: {found or 'none'}, program: {wanted}")
            is_behind = found != wanted
            if not is_behind:
                is_behind = _print_rest(mirror.database)
            if is_behind:
                raise typer.Exit(1)
            return
        before, after = mirror.migrate()
        obstacle = mirror.database.core_state().obstacle
    if obstacle is not None:
        print_notice(obstacle)
    if terminal.is_terminal():
        terminal.echo(
            f"The schema is at revision {after}" + (" already." if before == after else f" (was {before or 'none'}).")
        )


def _print_rest(database: DatabaseOperations) -> bool:
    """Print what `migrate` would do beside migrations; return whether there is anything."""
    tables, core = database.unfinished_tables(), database.core_state()
    views = database.missing_views() + ([] if core.obstacle else list(core.outdated))
    if tables:
        terminal.echo(f"tables with rows to be filled: {', '.join(tables)}")
    if views:
        terminal.echo(f"views to be made: {', '.join(views)}")
    if core.obstacle:
        print_notice(core.obstacle)
    return bool(tables or views)
