"""The end of a run in the log and in its span.

One line in the log tells how the run ended; the spans tell the same, and how many rows changed.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from hostaway_sync.errors import HostawaySyncError, RunIncomplete
from hostaway_sync.observability.tracing import current_span, start_span
from hostaway_sync.store.tables.count_columns import to_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.model.kinds.new_words import NewWord
    from hostaway_sync.model.records import Change, ChangeCounts, ResourceReport, RunReport
    from hostaway_sync.observability.tracing import Span

BY_SIGNAL = "stopped by a signal"

log = logging.getLogger(__name__)


def log_run_end(report: RunReport) -> None:
    """Log how a run ended, and note it in the run's span; the caller tells what to do about a failure."""
    parts = [part.counts for part in report.resources.values()]
    seen, changed = sum(part.seen for part in parts), sum(part.inserted + part.updated for part in parts)
    log.info(
        "account %d: %s, %s: %d of %d records changed, %d API calls, %.1f s",
        report.account_id,
        report.state,
        report.mode,
        changed,
        seen,
        report.api_calls,
        report.duration_s,
        extra={
            "state": report.state.value,
            "mode": report.mode.value,
            "seen": seen,
            "changed": changed,
            "api_calls": report.api_calls,
            "duration_s": report.duration_s,
        },
    )
    running = current_span()
    running.set_attributes(mode=report.mode.value, state=report.state.value, api_calls=report.api_calls)
    running.set_attributes(rows_seen=seen, rows_changed=changed)
    if report.error is not None:
        running.record_error(RunIncomplete(report.error))


def log_new_words(account_id: int, words: Iterable[NewWord]) -> None:
    """Log the words that this run met first; the views of `core` have none of their own for them."""
    for word in words:
        log.warning(
            "account %d: reservations: this release does not know the %s; core has %s for it",
            account_id,
            word,
            "unknown" if word.kind == "status" else "other",
        )


def note_resource(report: ResourceReport) -> None:
    """Note in the span of a resource how it ended."""
    mirroring = current_span()
    mirroring.set_attributes(state=report.state.value, **_rows(report.counts))
    if report.error is not None:
        mirroring.record_error(RunIncomplete(report.error))


def write_span(resource: str) -> Span:
    """Return the span within which a page of a resource is written."""
    return start_span(f"write {resource}", resource=resource)


def note_changes(changes: Iterable[tuple[int, Change]]) -> None:
    """Note in the span of a page how many of its rows changed, by the kind of change."""
    page = current_span()
    if page.is_recording:
        page.set_attributes(
            **{f"rows_{change}": number for change, number in Counter(change for _, change in changes).items()}
        )


def explain_break(error: BaseException) -> str:
    """Return why a run broke off, for its history."""
    if isinstance(error, HostawaySyncError):
        return str(error)
    if isinstance(error, SystemExit) and isinstance(error.code, str):
        return error.code
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return BY_SIGNAL
    return f"unexpected {type(error).__name__}"


def _rows(counts: ChangeCounts) -> dict[str, int]:
    return {f"rows_{name}": number for name, number in to_columns(counts).items() if number or name == "seen"}
