"""Decisions of the pull pipe: pure, time comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.errors import Advice, CredentialsRejected
from hostaway_sync.records import Mode, Resource, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hostaway_sync.errors import HostawaySyncError, SourceError
    from hostaway_sync.records import Mark, Page, ResourceReport

MAX_WALKS = 3
# Read again below the watermark: stamps of the same moment may become visible one after the other.
LAG = timedelta(minutes=15)
# So many threads refused one after the other, and none readable: the account has no right to its inbox.
FORBIDDEN_THREADS = 10
# More rows than this, and more than this share of them, are not believed to vanish at once; nor are all, if so many.
MISSING_ROWS = 10
MISSING_SHARE = 0.1
MISSING_ALL = 3
# An object that may not be read is gone when whole walks so far apart left it out.
UNLISTED_FOR = timedelta(hours=20)
# So many failures one after the other, and it is not this or that conversation that is broken.
FAILED_THREADS = 5


def mode(
    resources: Iterable[Resource], marks: Mapping[Resource, Mark], now: datetime, *, sweep_after: timedelta
) -> Mode:
    """Say how much a run must read: everything, unless all lists it is asked for were swept whole not long ago.

    Messages have no list of their own: what of them must be read is marked, and stays marked until it is.
    """
    lists = [resource for resource in resources if resource is not Resource.MESSAGES]
    sweeps = [marks[resource].swept_at if resource in marks else None for resource in lists]
    if all(swept_at is not None and now - swept_at < sweep_after for swept_at in sweeps):
        return Mode.INCREMENTAL
    return Mode.FULL


def since(mode: Mode, mark: Mark | None) -> datetime | None:
    """Give the stamp from which a list is read; None: from its beginning."""
    if mode is Mode.FULL or mark is None or mark.watermark_at is None:
        return None
    return mark.watermark_at - LAG


def doubt(last: Page | None, distinct: int | None) -> str | None:
    """Say why a walk may have missed something, after its last page.

    `distinct` is how many records the run has met; None where the walk was not to meet all of them.
    """
    if last is None:
        return "no page was received"
    if last.doubt is not None:
        return last.doubt
    if distinct is not None and last.total is not None and distinct < last.total:
        return f"{distinct} records were read where the source counts {last.total}"
    return None


def watermark(first: Page | None, signpost: datetime) -> datetime | None:
    """Give the new watermark of a whole walk: the top stamp of its first page, never beyond the signpost."""
    stamps = [record.source_updated_at for record in first.records if record.source_updated_at] if first else []
    return min(max(stamps), signpost) if stamps else None


def can_recover(error: HostawaySyncError) -> bool:
    """Say whether another attempt may do better."""
    return error.advice in {Advice.RETRY, Advice.SNOOZE}


def ends_the_run(error: SourceError) -> bool:
    """Say whether an error of one resource makes it pointless to ask for the next one."""
    return can_recover(error) or isinstance(error, CredentialsRejected)


def is_sudden(unlisted: int, live: int) -> bool:
    """Say whether so many of the live rows are gone at once that the source is to be doubted, not the rows."""
    return (unlisted > MISSING_ROWS and unlisted > live * MISSING_SHARE) or (unlisted == live >= MISSING_ALL)


def inbox_is_closed(forbidden: int, read: int) -> bool:
    """Say whether the account may not read threads at all, after some were refused and `read` were not."""
    return read == 0 and forbidden >= FORBIDDEN_THREADS


@dataclass(frozen=True, slots=True)
class Parts:
    """How reading many small lists went: how many of each outcome, and what the first failure said."""

    read: int = 0
    forbidden: int = 0
    failed: int = 0
    doubtful: int = 0
    first_failure: str | None = None


def parts_error(parts: Parts, *, listed_whole: bool) -> str | None:
    """Give the one sentence about lists that were not read whole; None when all were."""
    if not listed_whole:
        return "the list of conversations was not read whole"
    if parts.failed:
        return f"{parts.failed} conversations could not be read: {parts.first_failure}"
    if parts.forbidden and not parts.read:
        return "the account may not read its inbox (403 on every conversation): give the API key access to messages"
    if parts.forbidden:
        return f"{parts.forbidden} conversations may not be read (403)"
    if parts.doubtful:
        return f"{parts.doubtful} conversations were not read whole"
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
