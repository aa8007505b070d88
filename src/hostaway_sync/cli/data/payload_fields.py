"""`hostaway-sync database payload-fields …`."""

from __future__ import annotations

from typing import Annotated

import typer

from hostaway_sync.app.documents.database import payload_rule_document
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import output
from hostaway_sync.cli.ui.options import Json

app = typer.Typer(
    help="Which fields of payloads are hidden before they are stored.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def show(*, json: Json = False) -> None:
    """Print the rule of this database, as HOSTAWAY_SYNC_PAYLOAD_FIELDS names it."""
    with open_mirror() as mirror:
        rule = mirror.payload_fields.rule
    if json:
        output.print_json(payload_rule_document(rule))
    elif output.is_terminal() and not rule:
        output.echo("No field is hidden.")
    else:
        output.echo(rule or "")


@app.command("set")
def set_rule(
    rule: Annotated[str, typer.Argument(metavar="RULE", help='As in HOSTAWAY_SYNC_PAYLOAD_FIELDS; "" hides nothing.')],
) -> None:
    """Replace the rule of this database, also by one that hides less.

    A process that hides more makes its setting the rule by itself; to hide
    less, change the setting of each process, and run this before they start.
    What is shown again comes with the next `sync --full`.
    """
    with open_mirror() as mirror:
        kept = mirror.payload_fields.set_rule(rule)
    named = kept or "empty"
    streams.say(f"the rule is {named}: set HOSTAWAY_SYNC_PAYLOAD_FIELDS so for every process, and start them again")
