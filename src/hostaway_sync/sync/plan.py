"""Decisions of the pull pipe: pure, time comes in as an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import Advice, CredentialsRejected, SourceError
from hostaway_sync.records import Resource, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hostaway_sync.records import Page, ResourceReport

MAX_WALKS = 3
# So many threads refused one after the other, and none readable: the account has no right to its inbox.
FORBIDDEN_THREADS = 10


def doubt(last: Page | None, distinct: int) -> str | None:
    """Say why a walk may have missed something, after its last page and with `distinct` records met in the run."""
    if last is None:
        return "no page was received"
    if last.doubt is not None:
        return last.doubt
    if last.total is not None and distinct < last.total:
        return f"{distinct} records were read where the source counts {last.total}"
    return None


def watermark(first: Page | None, signpost: datetime) -> datetime | None:
    """Give the new watermark of a whole walk: the top stamp of its first page, never beyond the signpost."""
    stamps = [record.source_updated_at for record in first.records if record.source_updated_at] if first else []
    return min(max(stamps), signpost) if stamps else None


def ends_the_run(error: SourceError) -> bool:
    """Say whether an error of one resource makes it pointless to ask for the next one."""
    return error.advice in {Advice.RETRY, Advice.SNOOZE} or isinstance(error, CredentialsRejected)


def inbox_is_closed(forbidden: int, read: int) -> bool:
    """Say whether the account may not read threads at all, after some were refused and `read` were not."""
    return read == 0 and forbidden >= FORBIDDEN_THREADS


def threads_error(*, forbidden: int, read: int, doubts: int, unreadable: str | None) -> str | None:
    """Give the one sentence about threads that were not read whole; None when all were."""
    if unreadable is not None:
        return unreadable
    if forbidden and not read:
        return "the account may not read its inbox (403 on every conversation): give the API key access to messages"
    if forbidden:
        return f"{forbidden} conversations may not be read (403)"
    if doubts:
        return f"{doubts} conversations were not read whole"
    return None


def final_state(reports: Iterable[ResourceReport]) -> RunState:
    """Give a run's state from those of its resources: a run that was not whole is not a success."""
    states = {report.state for report in reports}
    if states <= {RunState.SUCCESS}:
        return RunState.SUCCESS
    return RunState.PARTIAL if states & {RunState.SUCCESS, RunState.PARTIAL} else RunState.FAILED


def run_error(reports: Mapping[Resource, ResourceReport]) -> str | None:
    """Give one sentence a resource that was not whole."""
    wrong = [f"{resource}: {report.error}" for resource, report in reports.items() if report.error]
    return "; ".join(wrong) or None


def warnings(reports: Mapping[Resource, ResourceReport]) -> list[str]:
    """Give what a run must say although it was whole: what could not be stored as it is never goes by in silence."""
    said = []
    for resource, report in reports.items():
        if report.counts.quarantined:
            said.append(f"{resource}: {report.counts.quarantined} records got no row; see quarantined_records")
        if report.oddities.cleaned:
            said.append(f"{resource}: {report.oddities.cleaned} records were cleaned; bytes in quarantined_records")
        if report.oddities.misfits:
            said.append(f"{resource}: {report.oddities.misfits} values do not fit their column, which is NULL")
    return said
