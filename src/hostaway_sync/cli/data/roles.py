"""`hostaway-sync roles …`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from hostaway_sync.app.documents.database import role_document
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import load_known_settings, open_mirror
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.options import Json, positive_number
from hostaway_sync.errors import UsageError

app = typer.Typer(
    help="Create, list and bind the roles that may use the database.", no_args_is_help=True, rich_markup_mode=None
)

Name = Annotated[str, typer.Argument(metavar="ROLE", help="A log-in role of the server, or a group of them.")]
Accounts = Annotated[
    list[int] | None,
    typer.Option("--account", metavar="ID", parser=positive_number, help="Let it see this account; may be repeated."),
]
Customers = Annotated[
    list[UUID] | None,
    typer.Option("--customer", metavar="UUID", help="Let it see every account of this customer; may be repeated."),
]
_SEES = {"api": "those of each caller"}


@app.command()
def create(
    *,
    prefix: Annotated[
        str, typer.Option(help="Begin the groups' names with this; give each database of a server its own.")
    ] = "hostaway",
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL for an administrator, and change nothing.")] = False,
) -> None:
    """Create four group roles with no more rights than they need.

    hostaway_writer runs everything but migrate; hostaway_analyst reads what
    is mirrored; hostaway_reader reads what is mirrored of the accounts that
    it is bound to; hostaway_api is what the API becomes to answer a caller,
    and only the API's own log-in role may become it. Run it as the owner of
    the tables, who may create roles. It is safe to run again; migrate keeps
    the rights up to date.
    """
    if sql:
        from hostaway_sync.app.database import roles_sql

        terminal.echo(roles_sql(prefix, load_known_settings().core_schema).removesuffix("\n"))
        return
    with open_mirror() as mirror:
        groups = mirror.roles.create(prefix)
    if terminal.is_terminal():
        terminal.echo(f"The groups are {', '.join(groups.names)}. Put a role into one: GRANT {groups.writer} TO …")
        from hostaway_sync.store.schema.api_role import membership_statements

        older, newer = membership_statements(str(groups.api), "…")
        terminal.echo(f"The API becomes {groups.api}; its log-in role alone needs: {newer} (PostgreSQL 15: {older})")


@app.command("list")
def list_roles(*, json: Json = False) -> None:
    """List the members of the groups, and the accounts that each sees."""
    with open_mirror() as mirror:
        found = mirror.roles.members()
    if json:
        terminal.print_json([role_document(role) for role in found])
        return
    rows = []
    for role in found:
        bound = [*(str(number) for number in role.account_ids), *(f"customer {one}" for one in role.customer_ids)]
        sees = ", ".join(bound) or "none" if role.kind in {"reader", None} else _SEES.get(role.kind, "all")
        rows.append([role.name, role.kind or "in no group", sees])
    reports.print_rows(["role", "kind", "accounts"], rows)


@app.command()
def bind(role: Name, *, account: Accounts = None, customer: Customers = None) -> None:
    """Let a role see these accounts, besides those it sees already.

    The role becomes a member of hostaway_reader. The database decides what it
    sees, in the view `messages`, too; the role cannot change that.
    """
    if not account and not customer:
        raise UsageError("no accounts are given: use --account ID or --customer UUID")
    with open_mirror() as mirror:
        left = mirror.roles.bind(role, account or (), customer or ())
    if left is not None:
        streams.print_notice(f"{role} is bound, but sees nothing until an administrator has run: {left}")
        raise typer.Exit(1)


@app.command()
def unbind(role: Name) -> None:
    """Let a role see no account any more; it stays in its group."""
    with open_mirror() as mirror:
        taken = mirror.roles.unbind(role)
    if not taken:
        streams.print_notice(f"{role} is bound to no account")
