"""`hostaway-sync doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hostaway_sync.cli.process.open_app import load_known_settings
from hostaway_sync.cli.ui import terminal
from hostaway_sync.cli.ui.options import Json
from hostaway_sync.doctor.documents import examination_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.doctor.findings import Finding

_COLOURS = {"ok": "green", "hint": "yellow", "trouble": "red"}


def doctor(*, json: Json = False) -> None:
    """Check everything that a mirror needs, and say what to do.

    It checks database, key ring, clocks, tokens, request budget, queue, disk, webhooks, and what starts the runs. That
    takes some seconds, and one or two API calls an account. Exit 1 when something does not work; a hint is no trouble.
    """
    from hostaway_sync.doctor import examine
    from hostaway_sync.doctor.findings import Grade

    found = examine(load_known_settings())
    troubles = sum(finding.grade is Grade.TROUBLE for finding in found)
    if json:
        state = "trouble" if troubles else "ok"
        terminal.print_json(examination_document(found, state=state))
    else:
        _print(found)
    if troubles:
        raise typer.Exit(1)


def _print(found: Sequence[Finding]) -> None:
    """Print a paragraph a finding, and beneath it what to do; plain and unbroken where stdout is no terminal."""
    from rich.text import Text

    from hostaway_sync.cli.ui.tables import print_paragraph

    checks = max(len(finding.check) for finding in found)
    for finding in found:
        head = Text(f"{finding.grade.value:<8}", style=_COLOURS[finding.grade])
        line = head + terminal.plain_text(f"{finding.check:<{checks}}  {_subject(finding)}{finding.says}")
        if terminal.is_terminal():
            print_paragraph(line)
        else:
            terminal.echo(line.plain)
        if finding.advice is not None:
            print_paragraph(f"{'':<8}{'':<{checks}}  → {finding.advice}")


def _subject(finding: Finding) -> str:
    subject = f"account {finding.account_id}"
    return "" if finding.account_id is None or finding.says.startswith(subject) else f"{subject}: "
