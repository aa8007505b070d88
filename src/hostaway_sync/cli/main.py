"""The program: its commands."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer
from typer.main import get_group

from hostaway_sync.cli import serve_api, serve_webhooks, show, webhooks
from hostaway_sync.cli.accounts import account
from hostaway_sync.cli.calendar import calendar
from hostaway_sync.cli.data import database, export, forget_guest, migrate, prune, roles, sql
from hostaway_sync.cli.history import changes, history
from hostaway_sync.cli.messages import messages, send_message
from hostaway_sync.cli.operations import api_key, automation, dead_letters, demo, doctor, keys, worker
from hostaway_sync.cli.status import command
from hostaway_sync.cli.sync import plan, sync, verify

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(
    name="hostaway-sync",
    help="Mirror Hostaway accounts into PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(account.app, name="account")
app.command("sync")(sync.sync)
app.command("sync-all")(sync.sync_all)
app.command("status")(command.status)
app.command("doctor")(doctor.doctor)
app.command("prune")(prune.prune)
app.command("plan")(plan.plan)
app.command("verify")(verify.verify)
app.command("send-message")(send_message.send_message)
app.add_typer(messages.app, name="messages")
app.add_typer(calendar.app, name="calendar")
app.add_typer(show.app, name="show")
app.command("history")(history.history)
app.command("changes")(changes.changes)
app.command("serve-webhooks")(serve_webhooks.serve_webhooks)
app.add_typer(webhooks.app, name="webhooks")
app.command("serve-api")(serve_api.serve_api)
app.command("worker")(worker.worker)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(automation.app, name="automation")
app.add_typer(api_key.app, name="api-key")
app.add_typer(keys.app, name="keys")
app.command("forget-guest")(forget_guest.forget_guest)
app.add_typer(roles.app, name="roles")
app.command("migrate")(migrate.migrate)
app.add_typer(database.app, name="database")
app.command("sql")(sql.sql)
app.command("export")(export.export)
app.command("demo")(demo.demo)


@cache
def command_tree() -> Callable[..., object]:
    """Return the program with all its commands, built once a process."""
    return get_group(app)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (a callback of typer)
    if wanted:
        from hostaway_sync.version import __version__

        typer.echo(f"hostaway-sync {__version__}")
        raise typer.Exit


@app.callback()
def program(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Mirror Hostaway accounts into PostgreSQL."""
    del version
