"""`hostaway-sync roles …`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from hostaway_sync.app.documents.database import role_document
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import output
from hostaway_sync.cli.ui.options import Json, positive_number
from hostaway_sync.errors import UsageError

app = typer.Typer(help="Who may do what with the database.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="ROLE", help="A log-in role of the server, or a group of them.")]
Accounts = Annotated[
    list[int] | None,
    typer.Option("--account", metavar="ID", parser=positive_number, help="Sees this account; may be repeated."),
]
Customers = Annotated[
    list[UUID] | None,
    typer.Option("--customer", metavar="UUID", help="Sees every account of this customer; may be repeated."),
]


@app.command()
def create(
    *,
    prefix: Annotated[
        str, typer.Option(help="How the groups' names begin: one a database, where a server has several.")
    ] = "hostaway",
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL for an administrator, and change nothing.")] = False,
) -> None:
    """Make three groups of roles with no more rights than they need.

    hostaway_writer runs everything but migrate; hostaway_analyst reads what
    is mirrored; hostaway_reader reads it of the accounts it is bound to. Run
    it as the owner of the tables, who may create roles. Safe to run again;
    migrate keeps the rights up to date.
    """
    if sql:
        from hostaway_sync.app.database import roles_sql

        output.echo(roles_sql(prefix).removesuffix("\n"))
        return
    with open_mirror() as mirror:
        groups = mirror.roles.create(prefix)
    if output.is_terminal():
        output.echo(f"The groups are {', '.join(groups.names)}. Put a role into one: GRANT {groups.writer} TO …")


@app.command("list")
def list_roles(*, json: Json = False) -> None:
    """List who is in the groups, and what each may do and see."""
    with open_mirror() as mirror:
        found = mirror.roles.members()
    if json:
        output.print_json([role_document(role) for role in found])
        return
    rows = []
    for role in found:
        bound = [*(str(number) for number in role.account_ids), *(f"customer {one}" for one in role.customer_ids)]
        sees = ", ".join(bound) or "none" if role.kind in {"reader", None} else "all"
        rows.append([role.name, role.kind or "in no group", sees])
    output.print_rows(["role", "kind", "accounts"], rows)


@app.command()
def bind(role: Name, *, account: Accounts = None, customer: Customers = None) -> None:
    """Let a reader see these accounts, besides those it sees already.

    It becomes a member of hostaway_reader. What it sees is decided by the
    database, for the view `messages` too; it cannot change it.
    """
    if not account and not customer:
        raise UsageError("say which accounts it is to see: --account ID or --customer UUID")
    with open_mirror() as mirror:
        left = mirror.roles.bind(role, account or (), customer or ())
    if left is not None:
        streams.say(f"{role} is bound, but sees nothing until an administrator has run: {left}")
        raise typer.Exit(1)


@app.command()
def unbind(role: Name) -> None:
    """Take away every account that a reader sees. It stays in its group."""
    with open_mirror() as mirror:
        taken = mirror.roles.unbind(role)
    if not taken:
        streams.say(f"{role} is bound to nothing")
