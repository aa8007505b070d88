"""Mirror one list: read it whole, again where there is doubt, writing one page while the next one is on its way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hostaway_sync.records import Page, Resource, ResourceReport, RunState
from hostaway_sync.sync import plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from hostaway_sync.records import Progress, Source
    from hostaway_sync.sync.recorder import Recorder


def mirror_list(
    account_id: int,
    resource: Resource,
    source: Source,
    recorder: Recorder,
    progress: Progress,
    signpost: datetime | None,
    *,
    since: datetime | None = None,
) -> tuple[ResourceReport, datetime | None]:
    """Read a list whole, or from `since` on, walking again at most twice.

    Returns:
        The report, and the watermark that a whole walk allows.

    Raises:
        SourceError: a page could not be had.
        LeaseLost: another run took over.
    """
    first: Page | None = None
    for _ in range(plan.MAX_WALKS):
        last: Page | None = None
        done = 0
        with workers(1) as pool:
            for page in _ahead(source.walk(resource, since=since), pool):
                first = first or page
                recorder.record(page)
                last = page
                done += len(page.records)
                progress.advance(account_id, resource, done, page.total)
        counts, oddities = recorder.counts(resource)
        doubt = plan.doubt(last, recorder.met(resource) if since is None else None)
        if doubt is None:
            mark = plan.watermark(first, signpost) if signpost else None
            return ResourceReport(RunState.SUCCESS, counts, oddities), mark
    report = ResourceReport(RunState.PARTIAL, counts, oddities, f"not read whole: {doubt}", can_recover=True)
    return report, None


@contextmanager
def workers(number: int) -> Iterator[ThreadPoolExecutor]:
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
    upcoming = pool.submit(next, pages, None)
    while (page := upcoming.result()) is not None:
        upcoming = pool.submit(next, pages, None)
        yield page
