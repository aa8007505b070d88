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
    from hostaway_sync.platforms.hostaway.paging.walk import Positions, Row, Walk


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
        spec: says how the list is read.
        fetch: fetches one position; what it raises is raised when the walk reaches that position.
        prefetching: runs `fetch` for the positions that the walk names in advance.
        state: updated by `walk`.
        redactor: hides fields of the records.
        parent: id of the object whose list it is.
    """
    prefetcher = _Prefetcher(fetch, prefetching)
    wanted = next(walk)
    try:
        while True:
            fetched = prefetcher.fetch(wanted)
            listing = fetched.listing
            rows, page = _make_page(fetched, spec, redactor, parent)
            count = listing.count if listing else None
            is_total = spec.is_whole and (spec.paging is Paging.OFFSET or wanted[0] is None)
            try:
                wanted = walk.send(PageAnswer(rows, count, refused=listing is None))
            except StopIteration as end:
                yield replace(page, total=end.value.total, doubt=end.value.doubt, position=state.position)
                return
            prefetcher.drop_all_but(wanted)
            if listing:
                yield replace(page, total=count if is_total else None, position=state.position)
    finally:
        prefetcher.drop_all_but(())


class _Prefetcher:
    """Fetches the position that is needed now, and meanwhile those that will probably be needed next."""

    def __init__(self, fetch: Callable[[int | None], FetchedPage], executor: Executor) -> None:
        self._fetch = fetch
        self._executor = executor
        self._started: dict[int | None, Future[FetchedPage]] = {}

    def fetch(self, wanted: Positions) -> FetchedPage:
        for position in wanted[1:]:
            if position not in self._started:
                self._started[position] = self._executor.submit(in_current_context(self._fetch), position)
        started = self._started.pop(wanted[0], None)
        return self._fetch(wanted[0]) if started is None else started.result()

    def drop_all_but(self, wanted: Positions) -> None:
        for position in self._started.keys() - set(wanted):
            self._started.pop(position).cancel()


def _make_page(
    fetched: FetchedPage, spec: ResourceSpec, redactor: Redactor | None, parent: int | None
) -> tuple[list[Row], Page]:
    """Return the rows of an answer for the walk, and its page for the store."""
    raws = fetched.listing.rows if fetched.listing else []
    rows = [_without_future_stamp(as_row(raw, spec, redactor), fetched.observed_at) for raw in raws]
    return rows, Page(spec.shape, LazyRecords(spec, raws, rows, redactor), fetched.observed_at, parent=parent)


def _without_future_stamp(row: Row, asked_at: datetime) -> Row:
    """Drop a stamp that is too far ahead of the request: no walk may begin or end at it."""
    return row if row.stamp is None or is_credible_stamp(row.stamp, asked_at) else row._replace(stamp=None)
