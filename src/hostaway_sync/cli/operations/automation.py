"""`hostaway-sync automation …`."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.app.documents.automations import (
    added_automation_document,
    answer_document,
    automation_delivery_document,
    automation_document,
    rotated_secret_document,
)
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json, positive_number, shown_text
from hostaway_sync.cli.ui.tables import Column, Grid
from hostaway_sync.errors import AutomationError, UsageError
from hostaway_sync.store.automations.states import AutomationRequest, DeliveryState

if TYPE_CHECKING:
    from hostaway_sync.store.automations.states import Automation

app = typer.Typer(
    help="Tell other programs what changed: by signed requests, or by running a command.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SHOWN = 20


def read_name(text: str) -> str:
    """Read the name of an automation."""
    if _NAME.fullmatch(text):
        return text
    raise typer.BadParameter(
        f"{shown_text(text)} is no name of an automation: use up to 63 letters, digits, dots, hyphens and underscores"
    )


Name = Annotated[str, typer.Argument(metavar="NAME", parser=read_name, help="Name of the automation.")]


@app.command()
def add(
    name: Name,
    *,
    on: Annotated[str, typer.Option("--on", metavar="EVENT[,EVENT…]", help="Events that it is told of; `*`: all.")],
    account: Annotated[
        list[int] | None,
        typer.Option("--account", metavar="ID", parser=positive_number, help="Only of this account; may be repeated."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Only of rows of core with this value, such as status=confirmed; may be repeated, and several values"
            " of one key are alternatives.",
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Send it there, by https and signed.")] = None,
    command: Annotated[
        str | None,
        typer.Option(metavar="CMD", help="Run this program, the event on its standard input; no shell reads it."),
    ] = None,
    json: Json = False,
) -> None:
    """Add an automation, and print the secret of its signatures, which is not shown again.

    It is told of what changes from now on. `hostaway-sync worker` tells it within seconds, `sync-all` when it ends.
    """
    from hostaway_sync.automations.commands import read_command
    from hostaway_sync.automations.conditions import read_conditions
    from hostaway_sync.automations.events import read_events

    if (url is None) is (command is None):
        raise UsageError("who is to be told is not clear: give --url or --command, and not both")
    request = AutomationRequest(
        name,
        read_events(on),
        None if account is None else tuple(dict.fromkeys(account)),
        read_conditions(where or ()),
        url,
        None if command is None else read_command(command),
    )
    with open_mirror() as mirror:
        added = mirror.automations.add(request)
    document = added_automation_document(added)
    if json:
        terminal.print_json(document)
    elif added.secret is not None:
        terminal.echo(added.secret.get_secret_value())
    if document["awaited_events"]:
        names = ", ".join(document["awaited_events"])
        streams.print_notice(f"{names}: no version writes such events yet; a later one will")


@app.command("list")
def list_(*, json: Json = False) -> None:
    """List the automations, and how their consumers are doing."""
    with open_mirror() as mirror:
        found = mirror.automations.list_all()
    if json:
        terminal.print_json([automation_document(one) for one in found])
    elif found:
        columns = ["name", "state", "waiting", "dead", "events", "consumer"]
        grid = Grid([Column(header, is_number=header in {"waiting", "dead"}) for header in columns])
        for one in found:
            grid.add(_row(one), one.disabled_reason or "")
        grid.show()
    elif terminal.is_terminal():
        terminal.echo("No automations: `hostaway-sync automation add` adds one.")


@app.command()
def show(
    name: Name,
    *,
    show_url: Annotated[
        bool, typer.Option("--show-url", help="Show the whole URL, which may hold a secret of its consumer.")
    ] = False,
    json: Json = False,
) -> None:
    """Show one automation, of its URL the scheme and the host."""
    with open_mirror() as mirror:
        automation = mirror.automations.get(name)
        whole = mirror.automations.open_url(name) if show_url else None
    if whole is not None:
        automation = replace(automation, request=replace(automation.request, url=whole.get_secret_value()))
    _print(automation, json=json)


@app.command("test")
def send_example(name: Name, *, json: Json = False) -> None:
    """Send the consumer an example now, and print its answer."""
    with open_mirror() as mirror:
        answer = mirror.automations.test(name)
    if json:
        terminal.print_json(answer_document(name, answer))
    else:
        if answer.status is not None:
            terminal.echo(f"{'exit code' if answer.shown is None else 'status'} {answer.status}")
        for line in (answer.shown or answer.output or "").splitlines():
            terminal.echo(line)
    if answer.error is not None:
        raise AutomationError(f"automation {name!r} was not told: {answer.error}")


@app.command()
def disable(name: Name, *, json: Json = False) -> None:
    """Tell it no more; what waits for it stays."""
    with open_mirror() as mirror:
        _print(mirror.automations.disable(name), json=json, quiet=True)


@app.command()
def enable(name: Name, *, json: Json = False) -> None:
    """Tell it again: of what waits for it, and of what changes from now on."""
    with open_mirror() as mirror:
        _print(mirror.automations.enable(name), json=json, quiet=True)


@app.command()
def remove(name: Name, *, json: Json = False) -> None:
    """Remove it, and all that waits for it."""
    with open_mirror() as mirror:
        _print(mirror.automations.remove(name), json=json, quiet=True)


@app.command()
def rotate(name: Name, *, json: Json = False) -> None:
    """Make a new secret, and print it; for a week requests are signed with the one before, too."""
    with open_mirror() as mirror:
        rotated = mirror.automations.rotate(name)
    if json:
        terminal.print_json(rotated_secret_document(name, rotated))
    else:
        terminal.echo(rotated.secret.get_secret_value())


@app.command()
def deliveries(
    name: Name,
    *,
    state: Annotated[DeliveryState | None, typer.Option(help="Only those in this state.", show_choices=True)] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="The newest N; default: 20.")] = _SHOWN,
    json: Json = False,
) -> None:
    """List what it was told, what waits for it, and what was given up."""
    with open_mirror() as mirror:
        found = mirror.automations.deliveries(name, state=state, limit=limit)
    if json:
        terminal.print_json([automation_delivery_document(one) for one in found])
    elif found:
        columns = ["change", "account", "event", "record", "state", "attempts", "status", "since (UTC)"]
        grid = Grid([Column(header, is_number=header in {"attempts", "status"}) for header in columns])
        for one in found:
            cells = (
                *(one.change_id, one.account_id, one.event, one.record_id, one.state.value, one.attempts),
                *("" if one.status is None else one.status, f"{one.created_at:%Y-%m-%d %H:%M:%S}"),
            )
            grid.add([str(cell) for cell in cells], one.error or "")
        grid.show()
    elif terminal.is_terminal():
        terminal.echo("Nothing yet.")


def _print(automation: Automation, *, json: bool, quiet: bool = False) -> None:
    document = automation_document(automation)
    if json:
        terminal.print_json(document)
    elif not quiet:
        written = {"conditions": _conditions(automation), "command": _command(automation)}
        for key, value in (document | written).items():
            if value not in (None, [], ""):
                words = ", ".join(map(str, value)) if isinstance(value, list) else value
                terminal.echo(f"{key}: {words}")
    elif terminal.is_terminal():
        terminal.echo(f"{automation.name}: {_state(automation)}")


def _row(one: Automation) -> list[str]:
    consumer = one.request.url or _command(one)
    return [one.name, _state(one), str(one.waiting), str(one.dead), ",".join(one.request.events), consumer]


def _conditions(one: Automation) -> str:
    """Return the conditions as `--where` takes them."""
    return ", ".join(f"{key}={value}" for key, values in one.request.conditions.items() for value in values)


def _command(one: Automation) -> str:
    """Return the command as `--command` takes it."""
    return shlex.join(one.request.command or ())


def _state(one: Automation) -> str:
    if not one.is_active:
        return "disabled"
    return "failing" if one.failing_since else "active"
