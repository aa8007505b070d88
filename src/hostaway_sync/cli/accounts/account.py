"""`hostaway-sync account …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from hostaway_sync.app.documents.accounts import (
    account_details_document,
    account_document,
    account_state_document,
    audit_document,
    changed_account_document,
)
from hostaway_sync.cli.accounts import account_import, account_remove
from hostaway_sync.cli.process import prompts
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.sync.sync import mirror_one
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.options import AccountId, Json
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from hostaway_sync.store.accounts.changes import FieldValue
    from hostaway_sync.store.audit_log import AuditEntry

app = typer.Typer(help="Add, change and remove accounts.", no_args_is_help=True, rich_markup_mode=None)

_NO_CUSTOMER = "none"
_OF_SETTING = "setting"


@app.command()
def add(
    account_id: AccountId,
    *,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the client secret from stdin.")] = False,
    name: Annotated[str | None, typer.Option(help="Name the account, for your own lists.")] = None,
    customer_id: Annotated[UUID | None, typer.Option(help="Id of the customer that the account belongs to.")] = None,
    no_sync: Annotated[bool, typer.Option("--no-sync", help="Store the account, and do not sync it yet.")] = False,
) -> None:
    """Check an account's credentials with Hostaway, store them sealed, and mirror it in full.

    The secret comes from --secret-stdin, HOSTAWAY_SYNC_CLIENT_SECRET, or a hidden prompt. An account that was removed
    comes back, with the rows that were kept.
    """
    client_secret = prompts.read_client_secret(from_stdin=secret_stdin)
    prompts.require_text(name or "", "the name")
    with open_mirror() as mirror:
        mirror.accounts.add(account_id, client_secret, name=name, customer_id=customer_id)
        if terminal.is_terminal():
            terminal.echo(f"Account {account_id} added.")
        if not no_sync:
            mirror_one(mirror, account_id)


@app.command("list")
def list_(*, json: Json = False) -> None:
    """List the accounts, and removed ones as long as rows of them may be stored."""
    with open_mirror() as mirror:
        accounts = mirror.accounts.list_all()
    if json:
        terminal.print_json([account_document(account) for account in accounts])
    elif accounts:
        reports.print_accounts(accounts)
    elif terminal.is_terminal():
        terminal.echo("No accounts yet: add one with `hostaway-sync account add ID`.")


@app.command()
def show(account_id: AccountId, *, json: Json = False) -> None:
    """Show an account and its last changes. Secrets are never shown."""
    with open_mirror() as mirror:
        account, entries = mirror.accounts.read_details(account_id)
    document = account_details_document(account)
    if json:
        terminal.print_json(document | audit_document(entries))
        return
    for name, value in document.items():
        if value is not None:
            terminal.show(terminal.plain_text(f"{name.replace('_', ' '):18}{_shown(value)}"))
    if entries:
        rows = [[f"{one.changed_at:%Y-%m-%d %H:%M}", one.action.value, _who(one), _what(one)] for one in entries]
        reports.print_rows(["changed at (UTC)", "action", "by", "what"], rows)


@app.command()
def update(
    account_id: AccountId,
    *,
    name: Annotated[str | None, typer.Option(help="Change the name; '' removes it.")] = None,
    customer_id: Annotated[
        str | None, typer.Option(metavar="UUID|none", help="Change the customer, in every row, too; none removes it.")
    ] = None,
    resources: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES|setting",
            help="Mirror these sets and resources, separated by commas; setting: those of HOSTAWAY_SYNC_RESOURCES.",
        ),
    ] = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read a new client secret from stdin.")] = False,
    secret: Annotated[
        bool, typer.Option("--secret", help="Take a new client secret from HOSTAWAY_SYNC_CLIENT_SECRET, or a prompt.")
    ] = False,
    json: Json = False,
) -> None:
    """Change an account: its name, its customer, its resources, its client secret.

    A new secret is checked with Hostaway before it replaces the old one. The customer is changed in every mirrored row
    at once; a run under way waits for that, and goes on with the new one.
    """
    fields: dict[str, FieldValue] = {}
    if name is not None:
        prompts.require_text(name, "the name")
        fields["name"] = name or None
    if customer_id is not None:
        fields["customer_id"] = customer(customer_id)
    if resources is not None:
        fields["resource_sets"] = _resource_sets(resources)
    if not fields and not secret and not secret_stdin:
        raise UsageError("nothing to change: give --name, --customer-id, --resources, --secret or --secret-stdin")
    new_secret = prompts.read_client_secret(from_stdin=secret_stdin) if secret or secret_stdin else None
    with open_mirror() as mirror:
        changed = mirror.accounts.update(account_id, fields, new_secret)
        account, _ = mirror.accounts.read_details(account_id, entries=0)
    if json:
        terminal.print_json(changed_account_document(account, changed))
    elif terminal.is_terminal():
        terminal.echo(f"Account {account_id}: {' and '.join(changed).replace('_', ' ') or 'nothing'} changed.")


@app.command()
def enable(account_id: AccountId, *, json: Json = False) -> None:
    """Enable an account: sync it, and work its webhooks and messages again."""
    with open_mirror() as mirror:
        changed = mirror.accounts.enable(account_id)
    _print_state(account_id, "enabled", changed=changed, json=json)


@app.command()
def disable(account_id: AccountId, *, json: Json = False) -> None:
    """Disable an account: work no sync, no webhook and no message of it.

    It takes effect at once: a run under way ends with its next page, and what it has stored stays. Webhooks are still
    received, and stored as ignored.
    """
    with open_mirror() as mirror:
        changed = mirror.accounts.disable(account_id)
    _print_state(account_id, "disabled", changed=changed, json=json)


app.command("remove")(account_remove.remove)
app.command("import")(account_import.import_)


def customer(text: str) -> UUID | None:
    """Return a customer's id; None: `none` was given.

    Raises:
        UsageError: the text is neither a UUID nor `none`.
    """
    try:
        return None if text.lower() == _NO_CUSTOMER else UUID(text)
    except ValueError:
        raise UsageError(f"the customer id must be a UUID, or {_NO_CUSTOMER}") from None


def _resource_sets(text: str) -> list[str] | None:
    """Return the names of sets and resources; None: those of the setting.

    Raises:
        UsageError: a name is unknown, or there is none.
    """
    from hostaway_sync.app.resources import check_names

    names = list(dict.fromkeys(text.replace(",", " ").split()))
    if names == [_OF_SETTING]:
        return None
    if not names:
        raise UsageError(f"--resources names nothing: give sets or resources, `none`, or `{_OF_SETTING}`")
    try:
        check_names(names)
    except ValueError as error:
        raise UsageError(f"--resources {error}, or `{_OF_SETTING}`") from None
    return names


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print_state(account_id: int, state: str, *, changed: bool, json: bool) -> None:
    if json:
        terminal.print_json(account_state_document(account_id, is_active=state == "enabled", changed=changed))
    elif terminal.is_terminal():
        terminal.echo(f"Account {account_id} {'is' if changed else 'was'} {state}{'' if changed else ' already'}.")


def _who(entry: AuditEntry) -> str:
    return f"{entry.os_user}@{entry.host}"


def _what(entry: AuditEntry) -> str:
    return ", ".join(
        f"{name}: {_value(change['old'])} → {_value(change['new'])}"
        if isinstance(change, dict) and change.keys() == {"old", "new"}
        else f"{name}: {change}"
        for name, change in entry.changes.items()
        if change is not None
    )


def _value(value: object) -> str:
    if isinstance(value, dict):
        return f"{len(set(map(str, value.values())))} values on {len(value)} stretches of days"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value or "none")
