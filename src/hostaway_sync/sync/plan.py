"""Decisions of the pull pipeline; pure: the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import Advice, CredentialsRejected, SourceAway
from hostaway_sync.model.records import OBJECTS, Mode, Resource, RunState
from hostaway_sync.model.timestamps import WATERMARK_LAG, is_credible_stamp, subtract_clamped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from hostaway_sync.errors import HostawaySyncError, SourceError
    from hostaway_sync.model.records import Mark, Page, ResourceReport

_LISTS = tuple(resource for resource in OBJECTS if resource is not Resource.MESSAGES)
MAX_WALKS = 3
# If this many threads are forbidden and none is readable, the account may not read its inbox.
FORBIDDEN_THREADS = 10
# The loss of more rows than this at once, and of more than this share, is doubted; so is the loss of all, if so many.
MISSING_ROWS = 10
MISSING_SHARE = 0.1
MISSING_ALL = 3
# Rows that were marked missing within this time count as gone at once with those found now.
MISSING_WITHIN = timedelta(hours=20)
# After a sweep that a suspicion brought forward, the next one waits for this share of the usual time.
HURRY_SHARE = 0.2
# An object that may not be read is gone when two whole walks, this far apart, left it out.
UNLISTED_FOR = timedelta(hours=20)
# After this many failures in a row the source is broken, and not a single conversation.
FAILED_THREADS = 5
# The walk of a whole list that was cut is resumed if it began within this time.
TAKEN_UP_WITHIN = timedelta(hours=24)
_SHARES: Final = 1 << 16
# The error of messages where only the list of their conversations was not whole.
NOT_LISTED = "the list of conversations was not read whole"


def select_whole_lists(
    resources: Iterable[Resource], marks: Mapping[Resource, Mark], now: datetime, *, full: bool, sweep_after: timedelta
) -> frozenset[Resource]:
    """Return the lists that a run must read whole: each whose sweep is due, or with `full` all of them.

    Messages and calendars have no list of their own: what must be read is marked, and stays marked until it is read.
    """
    lists = (resource for resource in resources if resource in _LISTS)
    return frozenset(
        resource for resource in lists if full or is_sweep_due(marks.get(resource), now, sweep_after=sweep_after)
    )


def is_sweep_due(mark: Mark | None, now: datetime, *, sweep_after: timedelta) -> bool:
    """Whether a list must be read whole: its last sweep is too old, or a row is suspected to be gone.

    A suspicion makes a sweep due at once, except soon after a sweep that a suspicion brought forward: a series of
    suspicions must not cause a series of sweeps.
    """
    if mark is None or mark.swept_at is None or now - mark.swept_at >= sweep_after:
        return True
    if mark.suspected_at is None:
        return False
    return mark.hurried_at is None or now - mark.hurried_at >= sweep_after * HURRY_SHARE


def decide_mode(
    resources: Iterable[Resource], marks: Mapping[Resource, Mark], now: datetime, *, sweep_after: timedelta
) -> Mode:
    """Return how much a run must read: it is FULL when it reads one of its lists whole."""
    return (
        Mode.FULL
        if select_whole_lists(resources, marks, now, full=False, sweep_after=sweep_after)
        else Mode.INCREMENTAL
    )


def is_done(marks: Mapping[Resource, Mark], last_sync_at: datetime | None, since: datetime, *, full: bool) -> bool:
    """Whether a run that began at `since` or later mirrored all of an account; with `full`, whether it read all."""
    if last_sync_at is None or last_sync_at < since:
        return False
    swept = (marks[resource].swept_at if resource in marks else None for resource in _LISTS)
    return not full or all(swept_at is not None and swept_at > since for swept_at in swept)


def choose_since(mark: Mark | None, *, is_whole: bool) -> datetime | None:
    """Return the stamp from which on a list is read; None: it is read whole."""
    if is_whole or mark is None or mark.watermark_at is None:
        return None
    return subtract_clamped(mark.watermark_at, WATERMARK_LAG)


def find_doubt(last: Page | None, distinct: int | None) -> str | None:
    """Return why a walk may have missed something; None: nothing speaks for it.

    Args:
        last: the last page of the walk; None: no page came.
        distinct: how many records the walk met; None where it was not to meet all of them.
    """
    if last is None:
        return "no page was received"
    if last.doubt is not None:
        return last.doubt
    if distinct is not None and last.total is not None and distinct < last.total:
        return f"{distinct} records were read where the source counts {last.total}"
    return None


def find_doubt_after_cut(last: Page | None, distinct: int) -> str | None:
    """Return why a walk that was cut and resumed may have missed something; None: nothing speaks for it.

    Records that moved or were added in between are met at the top. Records that were deleted in between go unnoticed,
    but count among the `distinct` ones: only exactly as many as the source counts now prove that they are the same.
    """
    if last is None or last.doubt is not None:
        return find_doubt(last, distinct)
    if last.total is None:
        return "the source does not say how many records there are"
    if distinct != last.total:
        return f"{distinct} records were read, before and since, where the source counts {last.total}"
    return None


def compute_watermark(first: Page, signpost: datetime) -> datetime | None:
    """Return the new watermark of a whole walk: the top stamp of its first page, never beyond the run's start.

    Args:
        first: the first page of the walk.
        signpost: start of the run; a stamp too far ahead of its request is ignored.
    """
    found = (record.source_updated_at for record in first.records)
    stamps = [stamp for stamp in found if stamp is not None and is_credible_stamp(stamp, first.observed_at)]
    return min(max(stamps), signpost) if stamps else None


def can_recover(error: HostawaySyncError) -> bool:
    """Whether another attempt may do better; while the source is away, none does."""
    return not isinstance(error, SourceAway) and error.advice in {Advice.RETRY, Advice.SNOOZE}


def ends_the_run(error: SourceError) -> bool:
    """Whether an error of one resource makes it pointless to read the next one."""
    return can_recover(error) or isinstance(error, (CredentialsRejected, SourceAway))


def is_sudden(unlisted: int, live: int, marked: int = 0) -> bool:
    """Whether so many of the live rows are gone at once that the source is doubted, and not the rows.

    Args:
        unlisted: live rows that a whole walk left out.
        live: rows that are not missing.
        marked: rows that were marked missing lately, by a run or otherwise: they count as if marked now.
    """
    if not unlisted:
        return False
    gone, known = unlisted + marked, live + marked
    return (gone > MISSING_ROWS and gone > known * MISSING_SHARE) or (gone == known >= MISSING_ALL)


def describe_sudden_loss(unlisted: int, live: int, marked: int) -> str:
    """Return a sentence on how many rows are gone, where they are suspiciously many; see `is_sudden`."""
    lately = f", after {marked} that were marked missing lately" if marked else ""
    return f"{unlisted} of {live} rows are no longer listed, all at once{lately}"


def inbox_is_closed(forbidden: int, read: int) -> bool:
    """Whether the account may read no thread at all, after some were forbidden and `read` were not."""
    return read == 0 and forbidden >= FORBIDDEN_THREADS


@dataclass(frozen=True, slots=True)
class Parts:
    """How many small lists had each outcome, and the error of the first that failed."""

    read: int = 0
    forbidden: int = 0
    failed: int = 0
    doubtful: int = 0
    first_failure: str | None = None


def describe_parts_error(parts: Parts, *, listed_whole: bool) -> str | None:
    """Return one sentence on lists that were not read whole, failures first; None when all were."""
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
    """Return a run's state from those of its resources: a run that was not whole is not a success."""
    states = {report.state for report in reports if not report.is_excused}
    if states <= {RunState.SUCCESS}:
        return RunState.SUCCESS
    return RunState.PARTIAL if states & {RunState.SUCCESS, RunState.PARTIAL} else RunState.FAILED


def describe_run_error(reports: Mapping[str, ResourceReport]) -> str | None:
    """Return one sentence for each resource that was not whole; None: all were."""
    counted = {resource: report for resource, report in reports.items() if not report.is_excused}
    wrong = [f"{resource}: {report.error}" for resource, report in counted.items() if report.error]
    return "; ".join(wrong) or None


def list_warnings(reports: Mapping[str, ResourceReport], set_back: Mapping[Resource, int] | None = None) -> list[str]:
    """Return what a run must report even if it was whole: what could not be stored as it is.

    Args:
        reports: how each resource ended.
        set_back: how many rows stay as they are, by resource, because the source stamps them older than before.
    """
    warnings = [
        f"{resource}: {rows} rows stay as they were: the source says something else, with an older stamp; two whole "
        "sweeps that agree outweigh it, and `verify --repair` does at once"
        for resource, rows in (set_back or {}).items()
    ]
    for resource, report in reports.items():
        if report.counts.quarantined:
            warnings.append(f"{resource}: {report.counts.quarantined} records got no row; see quarantined_records")
        if report.quality.cleaned:
            warnings.append(f"{resource}: {report.quality.cleaned} records were cleaned; bytes in quarantined_records")
        if report.quality.misfits:
            warnings.append(f"{resource}: {report.quality.misfits} values do not fit their column, which is NULL")
    return warnings


def choose_next_turn(name: str, last_turn: datetime | None, read_at: datetime, period: timedelta) -> datetime:
    """Return when something is to be read again, after a reading at `read_at`.

    What is read in time keeps its hour: its next turn is a period after the last one. The first turn is spread over the
    second half of the period by a hash of `name`, so that what was read together is not due together; so is the turn
    after a late reading, because no turn is before half the period has passed.
    """
    if last_turn is not None:
        kept = last_turn + period
        if period / 2 <= kept - read_at <= period:
            return kept
    digest = blake2b(name.encode(), digest_size=2).digest()
    return read_at + period / 2 + period / 2 * (int.from_bytes(digest) / _SHARES)


def has_turn_come(turn: datetime | None, now: datetime, period: timedelta) -> bool:
    """Whether a turn has come; also where none is known, or it is so far ahead that the clock was set back since."""
    return turn is None or turn <= now or turn - now > period
