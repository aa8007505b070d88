"""Mirror one list: read it whole, again where there is doubt, writing one page while the next one is on its way."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Page, Resource, ResourceReport, RunState
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.sync import plan
from hostaway_sync.sync.reporting import reasons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hostaway_sync.model.records import Progress, Source
    from hostaway_sync.sync.recording.protocols import Recorder

log = logging.getLogger(__name__)


def mirror_list(
    account_id: int,
    resource: Resource,
    source: Source,
    recorder: Recorder,
    progress: Progress,
    *,
    since: datetime | None,
    why: str,
) -> ResourceReport:
    """Read a list whole, or from `since` on, walking again at most twice.

    The walk of a whole list that was cut is taken up where it stood; if that leaves a doubt, the list is read as if
    there had been none.

    Raises:
        SourceError: a page could not be had.
        LeaseLost: another run took over.
    """

    def read(done: int = 0, resume: str | None = None) -> Page | None:
        last: Page | None = None
        with reading_threads(1) as pool:
            for page in _ahead(source.walk(resource, since=since, resume=resume, why=why), pool):
                recorder.walked(page)
                last = page
                done += len(page.records)
                progress.advance(account_id, resource, done, page.total)
        return last

    cut_at = recorder.begin(resource, is_whole=since is None)
    if cut_at is not None:
        met = recorder.met(resource)
        log.info("account %d: %s: the walk that was cut after %d records is taken up", account_id, resource, met)
        doubt = plan.find_doubt_after_cut(read(met, cut_at), recorder.met(resource))
        if doubt is None:
            return ResourceReport(RunState.SUCCESS, *recorder.counts(resource))
        log.info("account %d: %s: the walk begins again: %s", account_id, resource, doubt)
        why = reasons.explain_again(why, doubt)
        recorder.begin_again(resource)
    for _ in range(plan.MAX_WALKS):
        doubt = plan.find_doubt(read(), recorder.met(resource) if since is None else None)
        if doubt is None:
            return ResourceReport(RunState.SUCCESS, *recorder.counts(resource))
        why = reasons.explain_again(why, doubt)
    counts = recorder.counts(resource)
    return ResourceReport(RunState.PARTIAL, *counts, f"not read whole: {doubt}", can_recover=True)


@contextmanager
def reading_threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads whose work is over when the block is; only a signal does not wait for them."""
    pool = ThreadPoolExecutor(number, thread_name_prefix="source")
    try:
        yield pool
    except (KeyboardInterrupt, SystemExit):
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        # What is written after this must be counted with what was written before.
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _ahead(pages: Iterator[Page], pool: ThreadPoolExecutor) -> Iterator[Page]:
    upcoming = pool.submit(in_current_context(next), pages, None)
    while (page := upcoming.result()) is not None:
        upcoming = pool.submit(in_current_context(next), pages, None)
        yield page
