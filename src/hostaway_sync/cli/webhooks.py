"""`hostaway-sync webhooks …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hostaway_sync.app.documents.webhooks import (
    hook_check_document,
    hook_document,
    registered_document,
)
from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import reports, terminal
from hostaway_sync.cli.ui.options import AccountId, Json, OptionalAccountId
from hostaway_sync.errors import ConfigurationError, HostawaySyncError, SecretError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.deliveries import DeliveryAudit
    from hostaway_sync.webhooks.registration.registrar import ListedHook, Registrar

app = typer.Typer(help="Register, list and check webhooks at Hostaway.", no_args_is_help=True, rich_markup_mode=None)
T = TypeVar("T")
_PLACES = {
    "foreign": "account {}: Hostaway also sends to {}, which is not ours",
    "legacy": "account {}: a legacy webhook leads to {}; remove it in the dashboard unless another program needs it",
}


@app.command()
def register(
    account_id: AccountId,
    *,
    url: Annotated[
        str,
        typer.Option("--url", metavar="BASE", help="Public address of the receiver, such as https://sync.example.org."),
    ],
    json: Json = False,
) -> None:
    """Register the webhook of an account at Hostaway, with new credentials.

    The receiver must be running: Hostaway calls it at once. Run it again to replace the credentials; the old ones stay
    valid for a day.
    """
    from hostaway_sync.webhooks.registration.public_url import parse_public_url

    base = parse_public_url(url)
    with open_mirror() as mirror:
        try:
            with mirror.webhooks.open_registrar(account_id) as webhook:
                done = webhook.register(base)
        except SourceError as error:
            streams.print_notice(
                f"not registered: check that `hostaway-sync serve-webhooks` runs and is reached at {base}"
            )
            raise error from None
    _warn(account_id, done.others)
    if json:
        terminal.print_json(registered_document(account_id, done))
    elif terminal.is_terminal():
        terminal.echo(f"Account {account_id}: webhook {done.hook_id} {'registered' if done.is_new else 'updated'}.")


@app.command("list")
def list_(account_id: OptionalAccountId = None, *, json: Json = False) -> None:
    """List the webhooks at Hostaway of one account, or of all accounts."""
    with open_mirror() as mirror:
        found, failures = _each(mirror, account_id, lambda webhook: webhook.listed())
    if json:
        terminal.print_json([hook_document(number, hook) for number, hooks in found.items() for hook in hooks])
    elif any(found.values()):
        headers = ["account", "webhook", "address", "kind", "enabled"]
        rows_of = ((number, hook) for number, hooks in found.items() for hook in hooks)
        reports.print_rows(
            headers,
            [[str(n), str(h.hook_id), h.address, h.kind, "yes" if h.is_enabled else "no"] for n, h in rows_of],
        )
    if failures:
        raise typer.Exit(1)


@app.command()
def unregister(account_id: AccountId) -> None:
    """Remove our webhook of an account at Hostaway; those of other programs stay."""
    with open_mirror() as mirror, mirror.webhooks.open_registrar(account_id) as webhook:
        removed = webhook.unregister()
    if terminal.is_terminal():
        terminal.echo(f"Account {account_id}: {removed or 'no'} webhook{'' if removed == 1 else 's'} removed.")


@app.command()
def check(account_id: OptionalAccountId = None, *, json: Json = False) -> None:
    """Check that webhooks arrive: registered, enabled, ours, and reached from outside with their login.

    Where Hostaway shows a log of its deliveries, it is compared with those that were received, and lost objects are
    read again. Exit 1 when something is wrong.
    """
    with open_mirror() as mirror:
        found, failures = _each(mirror, account_id, lambda webhook: webhook.check())
    for number, result in found.items():
        for problem in result.problems:
            streams.print_notice(problem)
        _warn(number, result.others)
    if json:
        terminal.print_json([hook_check_document(result) for result in found.values()])
    elif terminal.is_terminal():
        for number, result in found.items():
            verdict = "not well" if result.problems else "all is well"
            terminal.echo(f"Account {number}: {verdict}; {_audit_words(result.audit)}.")
    if failures or any(result.problems for result in found.values()):
        raise typer.Exit(1)


def _each(mirror: Mirror, account_id: int | None, ask: Callable[[Registrar], T]) -> tuple[dict[int, T], bool]:
    """Ask for one account, or for each active one; return the answers, and whether any account failed."""
    if account_id is not None:
        with mirror.webhooks.open_registrar(account_id) as webhook:
            return {account_id: ask(webhook)}, False
    found: dict[int, T] = {}
    failed = False
    for account in mirror.accounts.list_all():
        if account.is_active:
            try:
                with mirror.webhooks.open_registrar(account.account_id) as webhook:
                    found[account.account_id] = ask(webhook)
            except HostawaySyncError as error:
                if isinstance(error, ConfigurationError) and not isinstance(error, SecretError):
                    # It is the same for every account.
                    raise
                streams.print_notice(f"account {account.account_id}: {error}")
                failed = True
    return found, failed


def _audit_words(audit: DeliveryAudit | None) -> str:
    if audit is None:
        return "deliveries were not audited"
    if not audit.has_log:
        return "Hostaway shows no log of its deliveries, so none can be audited"
    since = "in Hostaway's log" if audit.is_first else "since the last audit"
    rest = "" if audit.is_whole else ", and older ones were not looked at"
    return f"{audit.lost} of {audit.announced} announced objects lost {since}{rest}"


def _warn(account_id: int, others: Iterable[ListedHook]) -> None:
    for hook in others:
        streams.print_notice(_PLACES[hook.kind].format(account_id, hook.address))
