"""`hostaway-sync verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostaway_sync.cli.process.open_app import open_mirror
from hostaway_sync.cli.ui import tables, terminal
from hostaway_sync.cli.ui.options import AccountId, Json
from hostaway_sync.cli.ui.progress import show_progress
from hostaway_sync.errors import RunIncomplete
from hostaway_sync.model.health import describe_differences
from hostaway_sync.model.records import Resource

if TYPE_CHECKING:
    from rich.text import Text

    from hostaway_sync.sync.verify.certificate import Certificate

_KINDS = ("missing", "extra", "different", "undecided")
_STYLES = {"equal": "green", "different": "red", "incomplete": "yellow"}


def verify(
    account_id: AccountId,
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Write what differs, then compare once more.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read every thread, not only those that changed.")] = False,
    calendar: Annotated[
        bool, typer.Option("--calendar", help="Compare days of calendars: one call a listing.")
    ] = False,
    json: Json = False,
) -> None:
    """Prove that a mirror equals Hostaway, payload by payload.

    It prints what is missing, extra or different. Exit 1 if anything is.
    """
    with open_mirror() as mirror, show_progress() as progress:
        certificate = mirror.sync.verify(account_id, deep=deep, repair=repair, calendar=calendar, progress=progress)
        (facts,) = mirror.status.overview(account_id).accounts
    if json:
        terminal.print_json(certificate.document())
    else:
        _print(certificate)
    if certificate.state != "equal":
        raise RunIncomplete(f"account {account_id}: {_advice(certificate, repair=repair)}")
    if facts.certificate is not None and facts.certificate.damage:
        when = f"at {facts.certificate.verified_at:%Y-%m-%d %H:%M} UTC with --deep, which this one does not replace"
        raise RunIncomplete(f"account {account_id}: {describe_differences(account_id, facts.certificate, when)}")


def _print(certificate: Certificate) -> None:
    columns = ["source", "mirror", *_KINDS, "newer"]
    table = tables.new_table(["", *columns], right=columns)
    for resource, part in certificate.parts.items():
        newer = "" if part.newer_at_source is None else f"{part.newer_at_source:,}"
        cells = [part.source, part.mirror, *(getattr(part, kind) for kind in _KINDS)]
        table.add_row(resource.value, *(f"{cell:,}" for cell in cells), newer)
    terminal.show(table)
    for line in _remarks(certificate):
        terminal.show(terminal.plain_text(line))
    terminal.show(_closing(certificate))


def _remarks(certificate: Certificate) -> list[str]:
    lines = []
    for resource, part in certificate.parts.items():
        for kind in _KINDS:
            shown, number = part.ids.get(kind, []), getattr(part, kind)
            if shown:
                more = f" and {number - len(shown):,} more" if number > len(shown) else ""
                lines.append(f"{resource} {kind}: {', '.join(map(str, shown))}{more}")
        lines += [f"{resource}: {said}" for said in (part.note, part.gap) if said]
        if part.threads_trusted:
            lines.append(
                f"{resource}: {part.threads_read:,} threads read, {part.threads_trusted:,} not read: their "
                "conversation's stamps did not move since their last whole reading (--deep reads them)"
            )
    behind = certificate.resources[Resource.CONVERSATIONS].newer_at_source
    behind_elsewhere = (
        part.newer_at_source for name, part in certificate.parts.items() if name is not Resource.CONVERSATIONS
    )
    if any(behind_elsewhere):
        lines.append("newer: changed at Hostaway after the last sync; the next one brings it")
    if behind:
        lines.append(
            f"conversations newer: {behind:,} were read or written in since their own last reading; their messages are "
            "here, and the next sweep brings their stamps and read marks"
        )
    return lines


def _closing(certificate: Certificate) -> Text:
    parts = certificate.parts.items()
    threads = sum(part.threads_read or 0 for _, part in parts)
    said = {
        "equal": ", ".join(f"{part.source:,} {resource}" for resource, part in parts) + f" in {threads:,} threads",
        "different": ", ".join(
            f"{sum(getattr(part, kind) for _, part in parts):,} {kind}" for kind in ("missing", "extra", "different")
        ),
        "incomplete": "no difference in what could be compared",
    }[certificate.state]
    repaired = sum((certificate.repaired or {}).values())
    mended = f"; repaired {repaired:,}" if certificate.repaired is not None else ""
    when = f"verified {certificate.verified_at:%Y-%m-%d %H:%M:%S} UTC in {certificate.duration_s:.1f} s"
    state = terminal.plain_text(certificate.state)
    state.stylize(_STYLES[certificate.state])
    ending = f": {said}{mended}; {when}, {certificate.api_calls:,} API calls"
    return terminal.plain_text(f"account {certificate.account_id}: ") + state + ending


def _advice(certificate: Certificate, *, repair: bool) -> str:
    """Say what to do about a mirror that was not found equal."""
    account_id = certificate.account_id
    if certificate.state == "incomplete":
        return f"could not be compared whole: {certificate.error}"
    if any(part.note for part in certificate.resources.values()):
        return (
            "many rows are gone at Hostaway all at once; look at the dashboard, and if they are really gone run "
            f"`hostaway-sync sync {account_id} --full --accept-missing`"
        )
    differences = sum(part.differences for part in certificate.parts.values())
    if repair:
        return f"still differs from Hostaway in {differences:,} records: run it once more"
    options = [*(["--deep"] if certificate.deep else []), *(["--calendar"] if certificate.calendar else []), "--repair"]
    again = f"differs from Hostaway in {differences:,} records: run again with {' '.join(options)}"
    return f"{again}: `hostaway-sync verify {account_id} {' '.join(options)}`" if len(options) > 1 else again
