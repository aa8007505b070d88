"""`hostaway-sync messages …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.app.documents.messages import message_document, message_text_document
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import AccountOption, Json, number
from hostaway_sync.cli.ui.tables import Column, Grid
from hostaway_sync.model.messages import IntentState

if TYPE_CHECKING:
    from hostaway_sync.model.messages import Intent

app = typer.Typer(help="List and cancel messages to guests.", no_args_is_help=True, rich_markup_mode=None)

_COLUMNS = (
    Column("id", is_number=True),
    Column("account"),
    Column("reservation"),
    Column("by"),
    Column("state"),
    Column("message", is_spare=True),
    Column("since (UTC)"),
    Column("text", least=12, most=40),
)


@app.command("list")
def list_(
    *,
    state: Annotated[list[IntentState] | None, typer.Option(help="List only this state; may be repeated.")] = None,
    account: AccountOption = None,
    json: Json = False,
) -> None:
    """List the newest 200 messages of the ledger, and their states."""
    with open_mirror() as mirror:
        intents = mirror.messages.list_newest(states=state or (), account_id=account)
    if json:
        terminal.print_json([message_text_document(intent) for intent in intents])
    elif intents:
        grid = Grid(_COLUMNS, is_brief=False)
        for intent in intents:
            grid.add(_cells(intent), _note(intent))
        grid.show()
    elif terminal.is_terminal():
        terminal.echo("No messages.")


@app.command()
def cancel(
    number: Annotated[int, typer.Argument(metavar="ID", parser=number, help="Number of the message in the ledger.")],
    *,
    json: Json = False,
) -> None:
    """Cancel a message that waits: it is not sent."""
    with open_mirror() as mirror:
        intent = mirror.messages.cancel(number)
    if json:
        terminal.print_json(message_document(intent))
    else:
        terminal.echo(f"Cancelled: message {number} to reservation {intent.message.reservation_id} is not sent")


def _cells(intent: Intent) -> list[str]:
    message = intent.message
    return [
        str(intent.intent_id),
        str(message.account_id),
        str(message.reservation_id),
        message.communication_type.value,
        intent.state.value,
        str(intent.message_id or ""),
        f"{intent.sending_at or intent.created_at:%Y-%m-%d %H:%M}",
        " ".join(message.body.split()),
    ]


def _note(intent: Intent) -> str:
    waiting = "waits for you: looked for twice, in vain" if intent.waits_for_person else ""
    if intent.is_queued and intent.state is IntentState.PENDING:
        until = f" until {intent.not_before_at:%Y-%m-%d %H:%M} UTC" if intent.not_before_at else ""
        waiting = f"waits for a worker{until}"
    return "; ".join(words for words in (waiting, intent.error) if words)
