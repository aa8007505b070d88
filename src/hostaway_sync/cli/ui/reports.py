"""Reports for a person: what runs did, the accounts, the answer of a query."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hostaway_sync.app.documents.runs import counts_document
from hostaway_sync.cli.ui.tables import Column, Grid, new_table, styled_state
from hostaway_sync.cli.ui.terminal import plain_text, show
from hostaway_sync.model.records import Resource, RunState
from hostaway_sync.sync.reporting.outcome import derive_outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hostaway_sync.model.records import RunReport
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.sync.fleet import AccountOutcome

_IDS_SHOWN = 20
_COUNTS = ("seen", "inserted", "updated", "unchanged", "stale", "quarantined", "missing")
_SPARE = ("stale", "quarantined", "missing")
_LEAST_NAME = 12


def print_report(report: RunReport) -> None:
    """Print the counts of each resource of a run, and how it ended.

    Of the other kinds only those have a line that brought objects, or could not be read. Where there is no room,
    columns give way that have nothing but zeros.
    """
    counted = [(str(name), part, counts_document(part.counts)) for name, part in report.resources.items()]
    shown = [
        line
        for line in counted
        if line[0] in set(Resource) or line[1].state is not RunState.SUCCESS or any(line[2].values())
    ]
    columns = [
        Column(name, is_number=True, is_spare=name in _SPARE and not any(numbers[name] for _, _, numbers in shown))
        for name in _COUNTS
    ]
    grid = Grid([Column("", least=_LEAST_NAME), *columns, Column("")])
    for name, part, numbers in shown:
        grid.add([name, *(f"{numbers[column]:,}" for column in _COUNTS), styled_state(part.state)])
    grid.show()
    took = f"({report.mode}) in {report.duration_s:.1f} s, {report.api_calls} API calls"
    show(plain_text(f"account {report.account_id}: ") + styled_state(derive_outcome(report)) + f" {took}")
    _print_dry_run([report])


def print_outcomes(outcomes: Sequence[AccountOutcome]) -> None:
    """Print one line an account: how its run ended."""
    numbers = ["records", "changed", "API calls", "seconds"]
    lines = new_table(["account", "state", *numbers, ""], right=numbers)
    for ended in outcomes:
        report = ended.report
        parts = [part.counts for part in report.resources.values()] if report else []
        lines.add_row(
            str(ended.account_id),
            styled_state(ended.state),
            f"{sum(part.seen for part in parts):,}",
            f"{sum(part.inserted + part.updated for part in parts):,}",
            f"{report.api_calls if report else 0:,}",
            f"{report.duration_s if report else 0:.1f}",
            plain_text(ended.error or ""),
        )
    show(lines)
    _print_dry_run(ended.report for ended in outcomes if ended.report)


def print_accounts(accounts: Sequence[Account]) -> None:
    """Print one line an account."""
    lines = new_table(["account", "name", "customer", "active", "last sync (UTC)"])
    for account in accounts:
        lines.add_row(
            str(account.account_id),
            plain_text(account.name or ""),
            str(account.customer_id or ""),
            "removed" if account.removed_at else "yes" if account.is_active else "no",
            f"{account.last_sync_at:%Y-%m-%d %H:%M}" if account.last_sync_at else "never",
        )
    show(lines)


def print_rows(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print the rows of a query, numbers to the right."""
    numbers = {header for header, *cells in zip(headers, *rows, strict=True) if _are_numbers(cells)}
    lines = new_table(headers, right=numbers)
    for row in rows:
        lines.add_row(*("" if cell is None else plain_text(str(cell)) for cell in row))
    show(lines)


def _print_dry_run(reports: Iterable[RunReport]) -> None:
    """Print the ids that dry runs would have written, and that nothing was written; nothing for other runs."""
    parts = [(report, *part) for report in reports for part in report.resources.items() if part[1].ids is not None]
    for report, resource, part in parts:
        for change, ids in (part.ids or {}).items():
            if ids:
                more = f" and {len(ids) - _IDS_SHOWN:,} more" if len(ids) > _IDS_SHOWN else ""
                shown = ", ".join(map(str, ids[:_IDS_SHOWN]))
                show(plain_text(f"account {report.account_id}: {resource} that would be {change}: {shown}{more}"))
    if parts:
        show(plain_text("dry run: nothing was written"))


def _are_numbers(cells: Sequence[object]) -> bool:
    return any(cells) and all(cell is None or isinstance(cell, (int, float, Decimal)) for cell in cells)
