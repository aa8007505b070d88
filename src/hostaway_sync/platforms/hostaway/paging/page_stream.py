"""Runs a walk: fetches the positions it asks for, some of them ahead, and makes pages of what comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hostaway_sync.model.records import Page
from hostaway_sync.model.timestamps import is_credible_stamp
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.platforms.hostaway.paging.rows import LateRecords, as_row
from hostaway_sync.platforms.hostaway.paging.walk import Answer
from hostaway_sync.platforms.hostaway.parsing.resources import Paging, Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from hostaway_sync.model.redaction import Redactor
    from hostaway_sync.platforms.hostaway.http.protocol import Listing
    from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorState
    from hostaway_sync.platforms.hostaway.paging.walk import Row, Walk


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came for one position; `listing` is None when the source refused it."""

    listing: Listing | None
    observed_at: datetime


def follow(
    walk: Walk,
    spec: Spec,
    fetch: Callable[[int | None], Arrival],
    ahead: Executor,
    bookmark: CursorState,
    redactor: Redactor | None = None,
    *,
    parent: int | None = None,
) -> Iterator[Page]:
    """Yield a page for each position, with where `walk` moved the bookmark to, the last with the walk's outcome.

    Positions that the walk names in advance are fetched on `ahead`; those it no longer wants are forgotten. What
    `fetch` raises is raised when the walk gets to that position. `redactor` hides fields of the records; `parent` is
    the object whose list it is.
    """
    fetching: dict[int | None, Future[Arrival]] = {}
    wanted = next(walk)
    try:
        while True:
            for position in wanted[1:]:
                if position not in fetching:
                    fetching[position] = ahead.submit(in_current_context(fetch), position)
            started = fetching.pop(wanted[0], None)
            arrival = fetch(wanted[0]) if started is None else started.result()
            listing = arrival.listing
            raws = listing.rows if listing else []
            rows = [_believed(as_row(raw, spec, redactor), arrival.observed_at) for raw in raws]
            page = Page(spec.shape, LateRecords(spec, raws, rows, redactor), arrival.observed_at, parent=parent)
            count = listing.count if listing else None
            is_total = spec.is_whole and (spec.paging is Paging.OFFSET or wanted[0] is None)
            try:
                wanted = walk.send(Answer(rows, count, refused=listing is None))
            except StopIteration as end:
                yield replace(page, total=end.value.total, doubt=end.value.doubt, position=bookmark.position)
                return
            for position in fetching.keys() - set(wanted):
                fetching.pop(position).cancel()
            if listing:
                yield replace(page, total=count if is_total else None, position=bookmark.position)
    finally:
        for future in fetching.values():
            future.cancel()


def _believed(row: Row, asked_at: datetime) -> Row:
    """Leave out a stamp too far ahead of the request: a walk must neither begin nor end with it."""
    return row if row.stamp is None or is_credible_stamp(row.stamp, asked_at) else row._replace(stamp=None)
