"""`hostaway-sync api-key …`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from hostaway_sync.app.documents.api_keys import api_key_document, issued_key_document
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json, positive_number, shown_text
from hostaway_sync.cli.ui.tables import Column, Grid
from hostaway_sync.errors import UsageError
from hostaway_sync.model.callers import Access, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.app.api_keys import IssuedKey
    from hostaway_sync.model.callers.keys import ApiKey

app = typer.Typer(
    help="Make and revoke the keys with which other programs call the API.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LONGEST_DAYS = 36_500


def read_name(text: str) -> str:
    """Read the name of an API key."""
    if _NAME.fullmatch(text):
        return text
    raise typer.BadParameter(
        f"{shown_text(text)} is no name of an API key: use up to 63 letters, digits, dots, hyphens and underscores"
    )


Name = Annotated[str, typer.Argument(metavar="NAME", parser=read_name, help="Name of the API key.")]


@app.command()
def create(
    name: Name,
    *,
    account: Annotated[
        list[int] | None,
        typer.Option("--account", metavar="ID", parser=positive_number, help="It sees this account; may be repeated."),
    ] = None,
    customer: Annotated[
        UUID | None,
        typer.Option("--customer", metavar="UUID", help="It sees every account of this customer, later ones too."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="It sees every account, later ones too.")] = False,
    scope: Annotated[
        str,
        typer.Option(
            metavar="SCOPE[,SCOPE…]",
            help="What it may do: read, messages, calendar, accounts, channels, admin; none implies another.",
        ),
    ] = "read",
    expires_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_LONGEST_DAYS,
            metavar="N",
            help="It is valid for N days; default: until it is revoked.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make an API key, and print it, once: it is stored nowhere.

    The key alone goes to standard output.
    """
    from hostaway_sync.app.api_keys import ApiKeyRequest

    request = ApiKeyRequest(
        name,
        _read_access(account or (), customer, everything=everything),
        _read_scopes(scope),
        None if expires_days is None else timedelta(days=expires_days),
    )
    now = datetime.now(UTC)
    with open_mirror() as mirror:
        issued = mirror.api_keys.create(request, now)
        sees_any = mirror.api_keys.has_accounts(request.access)
    if not sees_any:
        whose = "there is no account" if customer is None else f"customer {customer} has no account"
        streams.print_notice(f"{whose} yet: until there is one, this key sees nothing")
    _print_issued(issued, now, json=json)


@app.command("list")
def list_(*, json: Json = False) -> None:
    """List the API keys, revoked ones too: what each sees and may do, and when it was used last."""
    now = datetime.now(UTC)
    with open_mirror() as mirror:
        found = mirror.api_keys.list_all()
    if json:
        terminal.print_json([api_key_document(key, now) for key in found])
    elif found:
        grid = Grid(
            [
                Column("name"),
                Column("state"),
                Column("accounts", most=40),
                Column("scopes"),
                Column("expires (UTC)", is_spare=True),
                Column("last used (UTC)", is_spare=True),
            ]
        )
        for key in found:
            grid.add(_row(key, now), _note(key, now))
        grid.show()
    elif terminal.is_terminal():
        terminal.echo("No API keys: `hostaway-sync api-key create` makes one.")


@app.command()
def revoke(name: Name, *, json: Json = False) -> None:
    """Make an API key invalid at once, and for good."""
    now = datetime.now(UTC)
    with open_mirror() as mirror:
        key = mirror.api_keys.revoke(name, now)
    if json:
        terminal.print_json(api_key_document(key, now))


@app.command()
def rotate(name: Name, *, json: Json = False) -> None:
    """Make a new secret for an API key, and print the key, once; the one before is valid for a day, too.

    A key that others may have seen is revoked instead, and another is made.
    """
    now = datetime.now(UTC)
    with open_mirror() as mirror:
        issued = mirror.api_keys.rotate(name, now)
    _print_issued(issued, now, json=json)


def _read_access(accounts: Sequence[int], customer: UUID | None, *, everything: bool) -> Access:
    if sum((bool(accounts), customer is not None, everything)) != 1:
        raise UsageError("which accounts the key sees is not clear: give --account ID, --customer UUID or --all")
    if accounts:
        return Access.of_accounts(accounts)
    return Access.everything() if customer is None else Access.of_customer(customer)


def _read_scopes(text: str) -> frozenset[Scope]:
    known = {scope.value: scope for scope in Scope}
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"--scope {shown_text(name)}: there is no such scope: use {', '.join(known)}")
    return frozenset(known[name] for name in names)


def _print_issued(issued: IssuedKey, now: datetime, *, json: bool) -> None:
    if json:
        terminal.print_json(issued_key_document(issued, now))
        return
    terminal.echo(issued.token.get_secret_value())
    streams.print_notice(f"this key of {issued.key.name} is not shown again{_before(issued.key)}")


def _before(key: ApiKey) -> str:
    return "" if key.previous_until is None else f"; the one before is valid until {_minute(key.previous_until)} UTC"


def _row(key: ApiKey, now: datetime) -> list[str]:
    access = key.access
    if access.account_ids is not None:
        sees = ", ".join(map(str, sorted(access.account_ids)))
    else:
        sees = "all" if access.customer_id is None else f"customer {access.customer_id}"
    return [
        key.name,
        key.state(now),
        sees,
        ",".join(scope.value for scope in Scope if scope in key.scopes),
        "never" if key.expires_at is None else _minute(key.expires_at),
        "never" if key.last_used_at is None else _minute(key.last_used_at),
    ]


def _note(key: ApiKey, now: datetime) -> str:
    is_open = key.previous_until is not None and now < key.previous_until and key.is_valid(now)
    return f"the key before its rotation is valid until {_minute(key.previous_until)} UTC" if is_open else ""


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
