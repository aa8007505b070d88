"""What a person is asked for, and what takes the person's place: a pipe, the environment, an option."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from hostaway_sync.cli.process.open_app import known_settings
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr


def client_secret(*, from_stdin: bool) -> SecretStr:
    """Give the client secret: piped in, else from the settings, else typed without being shown.

    Raises:
        UsageError: there is none, or it is no text.
    """
    from pydantic import SecretStr

    secret = (
        SecretStr(piped("the client secret").strip())
        if from_stdin
        else known_settings().client_secret or SecretStr(_prompted())
    )
    if not secret.get_secret_value():
        raise UsageError("the client secret is empty")
    require_text(secret.get_secret_value(), "the client secret")
    return secret


def require_text(words: str, what: str) -> None:
    """Refuse what came as other bytes than UTF-8: Python keeps those as letters that nothing else can store."""
    try:
        words.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not UTF-8 text") from None


def confirm_by_id(account_id: int, *, question: str, yes: bool) -> None:
    """Go on when the id was typed once more, or `yes`.

    Raises:
        UsageError: something else was typed, or nobody is there to be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked: say --yes")
    typed: str = typer.prompt(f"{question} Type {account_id} to go on", err=True)
    if typed.strip() != str(account_id):
        raise UsageError("that was not the id: nothing was done")


def confirm(question: str, *, yes: bool) -> None:
    """Go on when a person agrees, or `yes`.

    Raises:
        UsageError: they do not, or nobody is there to be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to be asked: say --yes")
    if not typer.confirm(f"{question} Go on?", err=True):
        raise UsageError("nothing was done")


def piped(what: str) -> str:
    """Give all of stdin, as it is.

    Raises:
        UsageError: it is no UTF-8 text.
    """
    try:
        return sys.stdin.buffer.read().decode()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{what} cannot be read from stdin: pipe it in as UTF-8 text") from None


def _prompted() -> str:
    if not sys.stdin.isatty():
        raise UsageError("no client secret: pipe it in with --secret-stdin, or set HOSTAWAY_SYNC_CLIENT_SECRET(_FILE)")
    answer: str = typer.prompt("Client secret", hide_input=True)
    return answer.strip()
