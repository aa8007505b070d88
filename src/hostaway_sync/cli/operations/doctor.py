"""`hostaway-sync doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from hostaway_sync.cli.process.open_app import known_settings
from hostaway_sync.cli.ui import output
from hostaway_sync.cli.ui.options import Json
from hostaway_sync.doctor.documents import examination_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostaway_sync.doctor.findings import Finding

_COLOURS = {"ok": "green", "hint": "yellow", "trouble": "red"}


def doctor(*, json: Json = False) -> None:
    """Look at everything a mirror stands on, and say what to do.

    Database, key ring, clocks, tokens, request budget, queue, disk, webhooks, and what starts the runs; some seconds,
    and one or two API calls an account. Exit 1 when something does not work; a hint is no trouble.
    """
    from hostaway_sync.doctor import examine
    from hostaway_sync.doctor.findings import Grade

    found = examine(known_settings())
    troubles = sum(finding.grade is Grade.TROUBLE for finding in found)
    if json:
        state = "trouble" if troubles else "ok"
        output.print_json(examination_document(found, state=state))
    else:
        _print(found)
    if troubles:
        raise typer.Exit(1)


def _print(found: Sequence[Finding]) -> None:
    """Print a paragraph a finding, and beneath it what to do; plain and unbroken where nobody watches."""
    from rich.text import Text

    from hostaway_sync.cli.ui.tables import say

    checks = max(len(finding.check) for finding in found)
    for finding in found:
        head = Text(f"{finding.grade.value:<8}", style=_COLOURS[finding.grade])
        line = head + output.plain(f"{finding.check:<{checks}}  {_subject(finding)}{finding.says}")
        if output.is_terminal():
            say(line)
        else:
            output.echo(line.plain)
        if finding.advice is not None:
            say(f"{'':<8}{'':<{checks}}  → {finding.advice}")


def _subject(finding: Finding) -> str:
    subject = f"account {finding.account_id}"
    return "" if finding.account_id is None or finding.says.startswith(subject) else f"{subject}: "
