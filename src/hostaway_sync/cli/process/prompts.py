"""What a person is asked for on a terminal, and what replaces the answer: a pipe, the environment, an option."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from hostaway_sync.cli.process.open_app import load_known_settings
from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr


def read_client_secret(*, from_stdin: bool) -> SecretStr:
    """Return the client secret: piped in, else from the settings, else typed at a hidden prompt.

    Raises:
        UsageError: there is none, or it is not text.
    """
    from pydantic import SecretStr

    secret = (
        SecretStr(read_stdin("the client secret").strip())
        if from_stdin
        else load_known_settings().client_secret or SecretStr(_prompt_for_secret())
    )
    if not secret.get_secret_value():
        raise UsageError("the client secret is empty")
    require_text(secret.get_secret_value(), "the client secret")
    return secret


def require_text(words: str, what: str) -> None:
    """Refuse text that was not UTF-8: Python keeps such bytes as letters that cannot be stored."""
    try:
        words.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not UTF-8 text") from None


def confirm_by_id(account_id: int, *, question: str, yes: bool) -> None:
    """Return when the account id was typed once more, or with `yes`.

    Raises:
        UsageError: another text was typed, or stdin is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("stdin is not a terminal to ask on: use --yes")
    typed: str = typer.prompt(f"{question} Type {account_id} to go on", err=True)
    if typed.strip() != str(account_id):
        raise UsageError(f"the typed text is not {account_id}: nothing was done")


def confirm(question: str, *, yes: bool) -> None:
    """Return when a person agrees, or with `yes`.

    Raises:
        UsageError: the person does not agree, or stdin is no terminal.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} stdin is not a terminal to ask on: use --yes")
    if not typer.confirm(f"{question} Go on?", err=True):
        raise UsageError("not confirmed: nothing was done")


def read_stdin(what: str) -> str:
    """Return all of stdin, unchanged.

    Raises:
        UsageError: stdin is not UTF-8 text.
    """
    try:
        return sys.stdin.buffer.read().decode()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{what} cannot be read from stdin: pipe it in as UTF-8 text") from None


def _prompt_for_secret() -> str:
    if not sys.stdin.isatty():
        raise UsageError("no client secret: pipe it in with --secret-stdin, or set HOSTAWAY_SYNC_CLIENT_SECRET(_FILE)")
    answer: str = typer.prompt("Client secret", hide_input=True)
    return answer.strip()
