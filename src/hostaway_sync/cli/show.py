"""`hostaway-sync show …`."""

from __future__ import annotations

from typing import Annotated

import typer

from hostaway_sync.app.documents.reservation_objects import requested_document
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json, number, positive_number
from hostaway_sync.cli.ui.tables import Column, Grid
from hostaway_sync.model.kinds.requested import Requested

app = typer.Typer(help="Ask Hostaway about one reservation.", no_args_is_help=True, rich_markup_mode=None)

Reservation = Annotated[
    int, typer.Argument(metavar="RESERVATION", parser=number, help="Hostaway's id of the reservation.")
]
AccountOfReservation = Annotated[
    int | None,
    typer.Option("--account", metavar="ID", parser=positive_number, help="Account of the reservation, if in several."),
]
_MOST: int = 60


@app.callback()
def show() -> None:
    """Ask Hostaway about one reservation."""


@app.command()
def finance(reservation: Reservation, *, account: AccountOfReservation = None, json: Json = False) -> None:
    """Show what makes the price of a reservation.

    Hostaway is asked, and nothing is stored.
    """
    _show(Requested.FINANCE, reservation, account, json=json)


@app.command()
def logs(reservation: Reservation, *, account: AccountOfReservation = None, json: Json = False) -> None:
    """Show who changed what of a reservation, the newest change first.

    Hostaway is asked, and nothing is stored.
    """
    _show(Requested.LOGS, reservation, account, json=json)


@app.command()
def agreement(reservation: Reservation, *, account: AccountOfReservation = None, json: Json = False) -> None:
    """Show whether the guest of a reservation signed, and where the agreement is.

    Hostaway is asked, and nothing is stored.
    """
    _show(Requested.AGREEMENT, reservation, account, json=json)


def _show(requested: Requested, reservation: int, account: int | None, *, json: bool) -> None:
    with open_mirror() as mirror:
        answer = mirror.reservation_objects.read(requested, reservation, account_id=account)
    if json:
        terminal.print_json(requested_document(answer))
    elif answer.objects:
        grid = Grid([Column(heading, most=_MOST) for heading in answer.objects[0].cells])
        for one in answer.objects:
            grid.add(list(one.cells.values()))
        grid.show()
    elif terminal.is_terminal():
        terminal.echo(f"Hostaway has nothing of this for reservation {reservation}.")
