"""`hostaway-sync history`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json, number, positive_number

if TYPE_CHECKING:
    from hostaway_sync.model.history.events import LifeEvent


def history(
    reservation: Annotated[
        int, typer.Argument(metavar="RESERVATION_ID", parser=number, help="Hostaway's id of the reservation.")
    ],
    *,
    account: Annotated[
        int | None,
        typer.Option(
            "--account", metavar="ID", parser=positive_number, help="Account of the reservation, if in several."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the life of a reservation, in the order in which it happened.

    Booked, dates, price and status old and new, messages, what was sent from
    here and what became of it, deliveries, days of the calendar, gone and
    back: all from the mirror, without asking Hostaway. Times are in UTC.
    """
    with open_mirror() as mirror:
        account_id, events = mirror.history.tell(reservation, account_id=account)
    if json:
        from hostaway_sync.app.documents.history import life_document
        from hostaway_sync.cli.ui.json_pieces import exact_json, json_pieces

        document = exact_json(life_document(account_id, reservation, events))
        terminal.write_pieces(json_pieces([document], is_lines=True))
        return
    for event in events:
        terminal.echo(event_line(event))


def event_line(event: LifeEvent) -> str:
    """Return an event as one line for a person."""
    cause = f" ({event.cause})" if event.cause else ""
    return f"{event.at:%Y-%m-%d %H:%M:%S}  {event.says}{cause}"
