"""What an operator reads: tables and progress on a terminal, JSON for scripts, log lines on stderr."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from hostaway_sync.app.documents.runs import counts_document
from hostaway_sync.model.records import RunReport, RunState
from hostaway_sync.observability.exception_text import format_traceback
from hostaway_sync.observability.log_context import current_log_context
from hostaway_sync.observability.log_redaction import LogRedactor
from hostaway_sync.safe_text import strip_invisible
from hostaway_sync.sync.reporting.outcome import derive_outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from hostaway_sync.settings import Settings
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.sync.fleet import AccountOutcome, FleetProgress

_WIDE = 200
_IDS_SHOWN = 20
_STYLES = {RunState.SUCCESS: "green", RunState.PARTIAL: "yellow", RunState.FAILED: "red", RunState.SKIPPED: "dim"}


def is_terminal() -> bool:
    """Say whether a person reads stdout."""
    return sys.stdout.isatty()


def echo(text: str = "", *, err: bool = False) -> None:
    """Print lines as they are, without what a terminal obeys."""
    typer.echo(strip_invisible(text), err=err)


def print_json(document: object) -> None:
    """Print one JSON document on stdout, in ASCII: it is the same document in every encoding."""
    echo(json.dumps(document, default=str))


def print_report(report: RunReport) -> None:
    """Print what a run did, for a person."""
    names = ["seen", "inserted", "updated", "unchanged", "stale", "quarantined", "missing"]
    lines = table(["", *names, ""], right=names)
    for resource, part in report.resources.items():
        numbers = counts_document(part.counts)
        cells = [f"{numbers[name]:,}" for name in names]
        lines.add_row(resource.value, *cells, styled(part.state))
    show(lines)
    took = f"({report.mode}) in {report.duration_s:.1f} s, {report.api_calls} API calls"
    show(plain(f"account {report.account_id}: ") + styled(derive_outcome(report)) + f" {took}")
    _show_dry([report])


def _show_dry(reports: Iterable[RunReport]) -> None:
    """Print that runs wrote nothing, and the ids of what they would have written; nothing of others."""
    parts = [(report, *part) for report in reports for part in report.resources.items() if part[1].ids is not None]
    for report, resource, part in parts:
        for change, ids in (part.ids or {}).items():
            if ids:
                more = f" and {len(ids) - _IDS_SHOWN:,} more" if len(ids) > _IDS_SHOWN else ""
                shown = ", ".join(map(str, ids[:_IDS_SHOWN]))
                show(plain(f"account {report.account_id}: {resource} that would be {change}: {shown}{more}"))
    if parts:
        show(plain("dry run: nothing was written"))


def print_outcomes(outcomes: Sequence[AccountOutcome]) -> None:
    """Print one line an account, for a person."""
    numbers = ["records", "changed", "API calls", "seconds"]
    lines = table(["account", "state", *numbers, ""], right=numbers)
    for ended in outcomes:
        report = ended.report
        parts = [part.counts for part in report.resources.values()] if report else []
        lines.add_row(
            str(ended.account_id),
            styled(ended.state),
            f"{sum(part.seen for part in parts):,}",
            f"{sum(part.inserted + part.updated for part in parts):,}",
            f"{report.api_calls if report else 0:,}",
            f"{report.duration_s if report else 0:.1f}",
            plain(ended.error or ""),
        )
    show(lines)
    _show_dry(ended.report for ended in outcomes if ended.report)


def print_accounts(accounts: Sequence[Account]) -> None:
    """Print one line an account."""
    lines = table(["account", "name", "customer", "active", "last sync (UTC)"])
    for account in accounts:
        lines.add_row(
            str(account.account_id),
            plain(account.name or ""),
            str(account.customer_id or ""),
            "removed" if account.removed_at else "yes" if account.is_active else "no",
            f"{account.last_sync_at:%Y-%m-%d %H:%M}" if account.last_sync_at else "never",
        )
    show(lines)


def print_rows(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print the answer of a query."""
    numbers = {header for header, *cells in zip(headers, *rows, strict=True) if _are_numbers(cells)}
    lines = table(headers, right=numbers)
    for row in rows:
        lines.add_row(*("" if cell is None else plain(str(cell)) for cell in row))
    show(lines)


@contextmanager
def watched(*, fleet: bool = False) -> Iterator[FleetProgress | None]:
    """Show bars with the expected time while the block runs, one a resource or account; nothing if nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from hostaway_sync.cli.ui.progress import Bars

    with Bars(fleet=fleet) as bars:
        yield bars


def configure_logging(settings: Settings) -> None:
    """Send log lines to stderr: readable on a terminal, JSON elsewhere, or as the settings say."""
    handler = logging.StreamHandler()
    style = settings.log_format or ("console" if sys.stderr.isatty() else "json")
    handler.setFormatter(_Lines(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for chatty in ("alembic", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of a connection that a signal met in the middle of a question; whoever is stopped knows.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    # What these two complain about, with tracebacks, is the database being away: the worker says that in a sentence.
    for plaintive in ("procrastinate", "psycopg.pool"):
        logging.getLogger(plaintive).setLevel(logging.CRITICAL)


def plain_formatter() -> logging.Formatter:
    """Give what makes log lines readable, without colours."""
    return _Lines("console", colors=False)


class _Lines(logging.Formatter):
    """structlog's rendering, imported with the first line: a healthy run has none."""

    def __init__(self, style: str, *, colors: bool = True) -> None:
        super().__init__()
        self._colors = colors and sys.stderr.isatty()
        self._is_console = style == "console"
        self._formatter: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._formatter is None:
            import structlog

            # Tracebacks of ours: structlog's own show what is in variables, Python's the words of every exception.
            told = structlog.processors.ExceptionRenderer(lambda info: format_traceback(info[1]).rstrip())
            rendered: Any = structlog.processors.JSONRenderer()
            if self._is_console:
                plainly = structlog.dev.plain_traceback
                rendered = structlog.dev.ConsoleRenderer(
                    colors=self._colors, pad_event_to=0, exception_formatter=plainly
                )
            shared: list[Any] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper("iso")]
            shared = [_circumstances, structlog.stdlib.ExtraAdder(), *shared]
            without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
            final = [without_meta, told, LogRedactor(), rendered]
            self._formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final)
        return self._formatter.format(record)


def _circumstances(logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add what the line is about, as a link of structlog's chain."""
    del logger, method
    return {**event, **current_log_context()}


def table(headers: Sequence[str], *, right: Collection[str] = ()) -> Table:
    """Make an empty table without lines; the columns in `right` hold numbers."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        made.add_column(plain(header), justify="right" if header in right else "left")
    return made


def _are_numbers(cells: Sequence[object]) -> bool:
    return any(cells) and all(cell is None or isinstance(cell, (int, float, Decimal)) for cell in cells)


def width() -> int:
    """Give how many columns there are to print on."""
    return shutil.get_terminal_size().columns if is_terminal() else _WIDE


def show(content: RenderableType) -> None:
    """Print a table or text, as wide as there is room."""
    from rich.console import Console

    Console(width=width(), highlight=False).print(content)


def plain(text: str) -> Text:
    """Give a text as it was typed, in one line: no markup, no emoji codes, and nothing that a terminal obeys."""
    from rich.text import Text

    return Text(strip_invisible(text).replace("\n", "").replace("\t", ""))


def styled(state: RunState) -> Text:
    """Give the name of a state in its colour."""
    from rich.text import Text

    return Text(state.value, style=_STYLES.get(state, ""))
