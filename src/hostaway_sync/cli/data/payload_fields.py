"""`hostaway-sync database payload-fields …`."""

from __future__ import annotations

from typing import Annotated

import typer

from hostaway_sync.app.documents.database import payload_rule_document
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json

app = typer.Typer(
    help="Show and set which payload fields are hidden before they are stored.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def show(*, json: Json = False) -> None:
    """Print the rule of this database, as HOSTAWAY_SYNC_PAYLOAD_FIELDS names it."""
    with open_mirror() as mirror:
        rule = mirror.payload_fields.rule
    if json:
        terminal.print_json(payload_rule_document(rule))
    elif terminal.is_terminal() and not rule:
        terminal.echo("No field is hidden.")
    else:
        terminal.echo(rule or "")


@app.command("set")
def set_rule(
    rule: Annotated[str, typer.Argument(metavar="RULE", help='As in HOSTAWAY_SYNC_PAYLOAD_FIELDS; "" hides nothing.')],
) -> None:
    """Replace the rule of this database, even by one that hides less.

    A process whose setting hides more makes it the rule when it starts. To
    hide less, change the setting of each process, and run this command before
    they start. The next `sync --full` stores the fields that are shown again.
    """
    with open_mirror() as mirror:
        kept = mirror.payload_fields.set_rule(rule)
    streams.print_notice(
        f"the rule is {kept or 'empty'}: set HOSTAWAY_SYNC_PAYLOAD_FIELDS to it for every process, and restart them"
    )
