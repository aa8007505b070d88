"""Decisions of the pull pipe: pure, time comes in as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hostaway_sync.errors import Advice, CredentialsRejected, SourceAway
from hostaway_sync.model.records import Mode, Resource, RunState
from hostaway_sync.model.timestamps import WATERMARK_LAG, is_credible_stamp, subtract_clamped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hostaway_sync.errors import HostawaySyncError, SourceError
    from hostaway_sync.model.records import Mark, Page, ResourceReport

_LISTS = tuple(resource for resource in Resource if resource is not Resource.MESSAGES)
MAX_WALKS = 3
# So many threads refused one after the other, and none readable: the account has no right to its inbox.
FORBIDDEN_THREADS = 10
# More rows than this, and more than this share of them, are not believed to vanish at once; nor are all, if so many.
MISSING_ROWS = 10
MISSING_SHARE = 0.1
MISSING_ALL = 3
# What was marked missing within so long counts as gone at once with what is found now.
MISSING_WITHIN = timedelta(hours=20)
# After a sweep that a suspicion brought forward, the next such one waits for this share of the usual time.
HURRY_SHARE = 0.2
# An object that may not be read is gone when whole walks so far apart left it out.
UNLISTED_FOR = timedelta(hours=20)
# So many failures one after the other, and it is not this or that conversation that is broken.
FAILED_THREADS = 5
# The walk of a whole list that was cut is taken up if it began within so long.
TAKEN_UP_WITHIN = timedelta(hours=24)
# What is wrong with messages where nothing is but the list of their conversations.
NOT_LISTED = "the list of conversations was not read whole"


def select_whole_lists(
    resources: Iterable[Resource], marks: Mapping[Resource, Mark], now: datetime, *, full: bool, sweep_after: timedelta
) -> frozenset[Resource]:
    """Say which lists a run must read whole: each whose sweep is due, or with `full` all of them.

    Messages have no list of their own: what of them must be read is marked, and stays marked until it is.
    """
    lists = (resource for resource in resources if resource is not Resource.MESSAGES)
    return frozenset(
        resource for resource in lists if full or is_sweep_due(marks.get(resource), now, sweep_after=sweep_after)
    )


def is_sweep_due(mark: Mark | None, now: datetime, *, sweep_after: timedelta) -> bool:
    """Say whether a list must be read whole: it was not for long, or a row is suspected to be gone.

    A suspicion brings the next sweep forward to now, but no sweep soon after one that a suspicion brought forward:
    many of them, one after the other, must not cause sweep after sweep.
    """
    if mark is None or mark.swept_at is None or now - mark.swept_at >= sweep_after:
        return True
    if mark.suspected_at is None:
        return False
    return mark.hurried_at is None or now - mark.hurried_at >= sweep_after * HURRY_SHARE


def decide_mode(
    resources: Iterable[Resource], marks: Mapping[Resource, Mark], now: datetime, *, sweep_after: timedelta
) -> Mode:
    """Say how much a run must read: it is full when one of its lists is read whole."""
    return (
        Mode.FULL
        if select_whole_lists(resources, marks, now, full=False, sweep_after=sweep_after)
        else Mode.INCREMENTAL
    )


def is_done(marks: Mapping[Resource, Mark], last_sync_at: datetime | None, since: datetime, *, full: bool) -> bool:
    """Say whether a run that began at `since` or later has mirrored all of an account; with `full`, read all of it."""
    if last_sync_at is None or last_sync_at < since:
        return False
    swept = (marks[resource].swept_at if resource in marks else None for resource in _LISTS)
    return not full or all(swept_at is not None and swept_at > since for swept_at in swept)


def choose_since(mark: Mark | None, *, is_whole: bool) -> datetime | None:
    """Give the stamp from which a list is read; None: from its beginning."""
    if is_whole or mark is None or mark.watermark_at is None:
        return None
    return subtract_clamped(mark.watermark_at, WATERMARK_LAG)


def find_doubt(last: Page | None, distinct: int | None) -> str | None:
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


def find_doubt_after_cut(last: Page | None, distinct: int) -> str | None:
    """Say why a walk that was cut and taken up is not to be believed, after its last page.

    What moved or came while it rested is met at the top. What was deleted meanwhile is not noticed, but counted among
    the `distinct` records: only exactly as many as the source has now prove that they are the same.
    """
    if last is None or last.doubt is not None:
        return find_doubt(last, distinct)
    if last.total is None:
        return "the source does not say how many records there are"
    if distinct != last.total:
        return f"{distinct} records were read, before and since, where the source counts {last.total}"
    return None


def compute_watermark(first: Page, signpost: datetime) -> datetime | None:
    """Give the new watermark of a whole walk: the top stamp of its first page, never beyond the signpost.

    A stamp too far ahead of its request is none.
    """
    found = (record.source_updated_at for record in first.records)
    stamps = [stamp for stamp in found if stamp is not None and is_credible_stamp(stamp, first.observed_at)]
    return min(max(stamps), signpost) if stamps else None


def can_recover(error: HostawaySyncError) -> bool:
    """Say whether another attempt may do better; while the source is away, none does."""
    return not isinstance(error, SourceAway) and error.advice in {Advice.RETRY, Advice.SNOOZE}


def ends_the_run(error: SourceError) -> bool:
    """Say whether an error of one resource makes it pointless to ask for the next one."""
    return can_recover(error) or isinstance(error, (CredentialsRejected, SourceAway))


def is_sudden(unlisted: int, live: int, marked: int = 0) -> bool:
    """Say whether so many of the live rows are gone at once that the source is to be doubted, not the rows.

    Args:
        unlisted: live rows that a whole walk left out.
        live: rows that are not missing.
        marked: rows that were marked missing lately, whatever found them: they count as if it were now.
    """
    if not unlisted:
        return False
    gone, known = unlisted + marked, live + marked
    return (gone > MISSING_ROWS and gone > known * MISSING_SHARE) or (gone == known >= MISSING_ALL)


def describe_sudden_loss(unlisted: int, live: int, marked: int) -> str:
    """Say how many rows are gone, where they are suspiciously many; see `is_sudden`."""
    lately = f", after {marked} that were marked missing lately" if marked else ""
    return f"{unlisted} of {live} rows are no longer listed, all at once{lately}"


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


def describe_parts_error(parts: Parts, *, listed_whole: bool) -> str | None:
    """Give the one sentence about lists that were not read whole, what is wrong with them first; None when all were."""
    if parts.failed:
        return f"{parts.failed} conversations could not be read: {parts.first_failure}"
    if parts.forbidden and not parts.read:
        return "the account may not read its inbox (403 on every conversation): give the API key access to messages"
    if parts.forbidden:
        return f"{parts.forbidden} conversations may not be read (403)"
    if parts.doubtful:
        return f"{parts.doubtful} conversations were not read whole"
    return None if listed_whole else NOT_LISTED


def derive_run_state(reports: Iterable[ResourceReport]) -> RunState:
    """Give a run's state from those of its resources: a run that was not whole is not a success."""
    states = {report.state for report in reports}
    if states <= {RunState.SUCCESS}:
        return RunState.SUCCESS
    return RunState.PARTIAL if states & {RunState.SUCCESS, RunState.PARTIAL} else RunState.FAILED


def describe_run_error(reports: Mapping[Resource, ResourceReport]) -> str | None:
    """Give one sentence a resource that was not whole."""
    wrong = [f"{resource}: {report.error}" for resource, report in reports.items() if report.error]
    return "; ".join(wrong) or None


def list_warnings(
    reports: Mapping[Resource, ResourceReport], set_back: Mapping[Resource, int] | None = None
) -> list[str]:
    """Give what a run must say although it was whole: what could not be stored as it is never goes by in silence.

    `set_back` is how many rows stay as they are because the source stamps them older than it did.
    """
    said = [
        f"{resource}: {rows} rows stay as they were: the source says something else, with an older stamp; two whole "
        "sweeps that agree outweigh it, and `verify --repair` does at once"
        for resource, rows in (set_back or {}).items()
    ]
    for resource, report in reports.items():
        if report.counts.quarantined:
            said.append(f"{resource}: {report.counts.quarantined} records got no row; see quarantined_records")
        if report.quality.cleaned:
            said.append(f"{resource}: {report.quality.cleaned} records were cleaned; bytes in quarantined_records")
        if report.quality.misfits:
            said.append(f"{resource}: {report.quality.misfits} values do not fit their column, which is NULL")
    return said
