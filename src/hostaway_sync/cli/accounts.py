"""`hostaway-sync account …`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from hostaway_sync.cli import output
from hostaway_sync.cli.arguments import AccountId, Json
from hostaway_sync.cli.opening import open_mirror
from hostaway_sync.cli.sync import mirror_one
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr

app = typer.Typer(help="Add and list accounts.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def add(
    account_id: AccountId,
    *,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the client secret from stdin.")] = False,
    name: Annotated[str | None, typer.Option(help="A name for your own eyes.")] = None,
    customer_id: Annotated[UUID | None, typer.Option(help="Id of the customer the account belongs to.")] = None,
    no_sync: Annotated[bool, typer.Option("--no-sync", help="Store the account, do not sync it yet.")] = False,
) -> None:
    """Check an account's credentials with Hostaway, store them sealed, and mirror it in full.

    The secret comes from --secret-stdin, HOSTAWAY_SYNC_CLIENT_SECRET, or a hidden prompt.
    """
    client_secret = _client_secret(from_stdin=secret_stdin)
    _require_text(name or "", "the name")
    with open_mirror() as mirror:
        mirror.add_account(account_id, client_secret, name=name, customer_id=customer_id)
        if output.is_terminal():
            typer.echo(f"Account {account_id} added.")
        if not no_sync:
            mirror_one(mirror, account_id)


@app.command("list")
def list_(*, json: Json = False) -> None:
    """List the accounts."""
    with open_mirror() as mirror:
        accounts = mirror.accounts()
    if json:
        output.print_json([output.account_document(account) for account in accounts])
    elif accounts:
        output.print_accounts(accounts)
    elif output.is_terminal():
        typer.echo("No accounts yet: add one with `hostaway-sync account add ID`.")


def _client_secret(*, from_stdin: bool) -> SecretStr:
    from pydantic import SecretStr

    from hostaway_sync.settings import load_settings

    secret = SecretStr(_piped()) if from_stdin else load_settings().client_secret or SecretStr(_prompted())
    if not secret.get_secret_value():
        raise UsageError("the client secret is empty")
    _require_text(secret.get_secret_value(), "the client secret")
    return secret


def _piped() -> str:
    try:
        return sys.stdin.buffer.read().decode().strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError("the client secret cannot be read from stdin: pipe it in as UTF-8 text") from None


def _require_text(words: str, what: str) -> None:
    """Refuse what came as other bytes than UTF-8: Python keeps those as letters that nothing else can store."""
    try:
        words.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not UTF-8 text") from None


def _prompted() -> str:
    if not sys.stdin.isatty():
        raise UsageError("no client secret: pipe it in with --secret-stdin, or set HOSTAWAY_SYNC_CLIENT_SECRET(_FILE)")
    answer: str = typer.prompt("Client secret", hide_input=True)
    return answer.strip()
