"""Runs a walk: fetches the positions that it asks for, some of them in advance, and yields their pages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Page
from hostaway_sync.model.timestamps import is_credible_stamp
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.platforms.hostaway.paging.rows import LazyRecords, as_row
from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer
from hostaway_sync.platforms.hostaway.parsing.resources import Paging, ResourceSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from hostaway_sync.model.redaction import Redactor
    from hostaway_sync.platforms.hostaway.http.protocol import Listing
    from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorState
    from hostaway_sync.platforms.hostaway.paging.walk import Row, Walk


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """The answer for one position; `listing` is None when Hostaway refused the position."""

    listing: Listing | None
    observed_at: datetime


def stream_pages(
    walk: Walk,
    spec: ResourceSpec,
    fetch: Callable[[int | None], FetchedPage],
    prefetching: Executor,
    state: CursorState,
    redactor: Redactor | None = None,
    *,
    parent: int | None = None,
) -> Iterator[Page]:
    """Yield a page for each position, with the position to resume from; the last page has the walk's outcome.

    Args:
        walk: asks for positions; those that it names in advance and no longer wants are dropped.
        spec: of the resource.
        fetch: fetches one position; what it raises is raised when the walk reaches that position.
        prefetching: runs `fetch` for the positions that the walk names in advance.
        state: updated by `walk`.
        redactor: hides fields of the records.
        parent: id of the object whose list it is.
    """
    fetching: dict[int | None, Future[FetchedPage]] = {}
    wanted = next(walk)
    try:
        while True:
            for position in wanted[1:]:
                if position not in fetching:
                    fetching[position] = prefetching.submit(in_current_context(fetch), position)
            started = fetching.pop(wanted[0], None)
            fetched = fetch(wanted[0]) if started is None else started.result()
            listing = fetched.listing
            raws = listing.rows if listing else []
            rows = [_without_future_stamp(as_row(raw, spec, redactor), fetched.observed_at) for raw in raws]
            page = Page(spec.shape, LazyRecords(spec, raws, rows, redactor), fetched.observed_at, parent=parent)
            count = listing.count if listing else None
            is_total = spec.is_whole and (spec.paging is Paging.OFFSET or wanted[0] is None)
            try:
                wanted = walk.send(PageAnswer(rows, count, refused=listing is None))
            except StopIteration as end:
                yield replace(page, total=end.value.total, doubt=end.value.doubt, position=state.position)
                return
            for position in fetching.keys() - set(wanted):
                fetching.pop(position).cancel()
            if listing:
                yield replace(page, total=count if is_total else None, position=state.position)
    finally:
        for future in fetching.values():
            future.cancel()


def _without_future_stamp(row: Row, asked_at: datetime) -> Row:
    """Drop a stamp that is too far ahead of the request: no walk may begin or end at it."""
    return row if row.stamp is None or is_credible_stamp(row.stamp, asked_at) else row._replace(stamp=None)
