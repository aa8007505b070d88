"""Mirror one list: read it whole, again where there is doubt, and write one page while the next one is requested."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Page, ResourceReport, RunState
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.sync import plan
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hostaway_sync.sync.recording.protocols import PageRecorder
    from hostaway_sync.sync.run_context import RunContext

log = logging.getLogger(__name__)


def mirror_list(context: RunContext[PageRecorder], *, since: datetime | None, why: str) -> ResourceReport:
    """Read a list whole, or from `since` on, at most `plan.MAX_WALKS` times.

    The walk of a whole list that was cut is resumed where it stopped; if that leaves a doubt, the list is read as if
    there had been no such walk.

    Raises:
        SourceError: a page could not be read.
        LeaseLost: another run took over.
    """
    account_id, resource, recorder = context.account_id, context.resource, context.recorder
    position = recorder.begin_walk(resource, is_whole=since is None)
    if position is not None:
        met = recorder.count_met(resource)
        log.info("account %d: %s: resumed after %s records", account_id, resource, f"{met:,}")
        last = _read_pages(context, since=since, why=why, done=met, position=position)
        doubt = plan.find_doubt_after_cut(last, recorder.count_met(resource))
        if doubt is None:
            return ResourceReport(RunState.SUCCESS, *recorder.count(resource))
        log.info("account %d: %s: the walk begins again: %s", account_id, resource, doubt)
        why = reasons.explain_again(why, doubt)
        recorder.restart_walk(resource)
    for _ in range(plan.MAX_WALKS):
        last = _read_pages(context, since=since, why=why)
        doubt = plan.find_doubt(last, recorder.count_met(resource) if since is None else None)
        if doubt is None:
            return ResourceReport(RunState.SUCCESS, *recorder.count(resource))
        why = reasons.explain_again(why, doubt)
    counts = recorder.count(resource)
    return ResourceReport(RunState.PARTIAL, *counts, f"not read whole: {doubt}", can_recover=True)


def _read_pages(
    context: RunContext[PageRecorder], *, since: datetime | None, why: str, done: int = 0, position: str | None = None
) -> Page | None:
    """Record the pages of one walk, `done` records after its beginning; return the last page."""
    last: Page | None = None
    with open_reading_threads(1) as pool:
        pages = context.source.walk(context.resource, since=since, resume=position, why=why)
        for page in _read_ahead(pages, pool):
            context.recorder.record_walked(page)
            last = page
            done += len(page.records)
            context.report_progress(done, page.total)
    return last


@contextmanager
def open_reading_threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Open a pool whose work is over when the block is; only a signal does not wait for it."""
    pool = ThreadPoolExecutor(number, thread_name_prefix="source")
    try:
        yield pool
    except (KeyboardInterrupt, SystemExit):
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        # The threads may still write; those rows must be counted with the rows that were written before.
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _read_ahead(pages: Iterator[Page], pool: ThreadPoolExecutor) -> Iterator[Page]:
    upcoming = pool.submit(in_current_context(next), pages, None)
    while (page := upcoming.result()) is not None:
        upcoming = pool.submit(in_current_context(next), pages, None)
        yield page
