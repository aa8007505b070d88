"""`hostaway-sync calendar writes`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import AccountOption, Json
from hostaway_sync.cli.ui.tables import Column, Grid
from hostaway_sync.model.calendar.writes import WriteState

if TYPE_CHECKING:
    from hostaway_sync.model.calendar.writes import CalendarWrite

_COLUMNS = (
    Column("id", is_number=True),
    Column("account"),
    Column("listing"),
    Column("first"),
    Column("last"),
    Column("state"),
    Column("by", is_spare=True),
    Column("since (UTC)"),
    Column("what", least=12, most=40),
)


def writes(
    *,
    state: Annotated[list[WriteState] | None, typer.Option(help="List only this state; may be repeated.")] = None,
    account: AccountOption = None,
    json: Json = False,
) -> None:
    """List the newest 200 writes to calendars, and what became of them."""
    with open_mirror() as mirror:
        found = mirror.calendar_writes.list_newest(states=state or (), account_id=account)
    if json:
        from hostaway_sync.app.documents.calendar_writes import write_document

        terminal.print_json([write_document(write) for write in found])
    elif found:
        grid = Grid(_COLUMNS, is_brief=False)
        for write in found:
            grid.add(_cells(write), write.error or "")
        grid.show()
    elif terminal.is_terminal():
        terminal.echo("No writes to calendars.")


def _cells(write: CalendarWrite) -> list[str]:
    from hostaway_sync.cli.calendar.write import describe_values

    return [
        str(write.write_id),
        str(write.account_id),
        str(write.listing_id),
        write.days.first.isoformat(),
        write.days.last.isoformat(),
        write.state.value,
        write.os_user,
        f"{write.sending_at or write.created_at:%Y-%m-%d %H:%M}",
        describe_values(write.new),
    ]
