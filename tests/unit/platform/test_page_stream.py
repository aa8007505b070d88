"""What is fetched for a walk, and the pages that result from it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.errors import SourceUnavailable
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.http.protocol import Listing
from hostaway_sync.platforms.hostaway.paging.cursor_state import CursorState
from hostaway_sync.platforms.hostaway.paging.page_stream import FetchedPage, stream_pages
from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, Positions, Row, WalkOutcome
from hostaway_sync.platforms.hostaway.parsing.resources import LISTS_NEWEST_FIRST, SPECS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from hostaway_sync.model.records import Page
    from hostaway_sync.platforms.hostaway.paging.walk import Walk

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LISTINGS, RESERVATIONS = SPECS[Resource.LISTINGS], SPECS[Resource.RESERVATIONS]


class FakePages:
    """Fetches a row whose id is the position; a position of 13 is refused, 666 breaks."""

    def __init__(self) -> None:
        self.fetched: list[int | None] = []
        self.answers: list[PageAnswer] = []

    def fetch(self, position: int | None) -> FetchedPage:
        """Answer one position."""
        self.fetched.append(position)
        if position == 13:
            return FetchedPage(None, NOON)
        if position == 666:
            raise SourceUnavailable
        return FetchedPage(Listing([b'{"id":%d}' % (position or 1)], 40), NOON)

    def walk(self, *plan: Positions) -> Walk:
        """Ask for these positions, whatever the answers are."""
        for positions in plan:
            self.answers.append((yield positions))
        return WalkOutcome("why", 41)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Return a pool of one thread, so that pages are fetched ahead in order."""
    with ThreadPoolExecutor(1) as threads:
        yield threads


def ids(pages: list[Page]) -> list[int | None]:
    """Return the id of each page's only row."""
    return [page.records[0].id if page.records else None for page in pages]


def test_pages_come_in_the_order_of_their_positions(pool: ThreadPoolExecutor) -> None:
    """Each position is fetched once, ahead of its turn where the walk named it."""
    source = FakePages()
    pages = list(stream_pages(source.walk((0, 5, 9), (5, 9), (9,)), LISTINGS, source.fetch, pool, CursorState()))
    assert ids(pages) == [1, 5, 9]
    assert sorted(position or 0 for position in source.fetched) == [0, 5, 9]
    assert [(page.total, page.doubt) for page in pages] == [(40, None), (40, None), (41, "why")]
    assert [answer.count for answer in source.answers] == [40, 40, 40]
    assert [row.id for answer in source.answers for row in answer.rows] == [1, 5, 9]
    assert isinstance(source.answers[0].rows[0], Row)


def test_positions_no_longer_wanted_are_dropped(pool: ThreadPoolExecutor) -> None:
    """A dropped position is fetched again when the walk asks for it later."""
    source = FakePages()
    pages = list(stream_pages(source.walk((0, 5), (7,), (5,)), LISTINGS, source.fetch, pool, CursorState()))
    assert ids(pages) == [1, 7, 5]


def test_count_below_a_cursor_is_no_total(pool: ThreadPoolExecutor) -> None:
    """It may be that of the rest of the list."""
    source = FakePages()
    pages = list(stream_pages(source.walk((None,), (5,), (None,)), RESERVATIONS, source.fetch, pool, CursorState()))
    assert [page.total for page in pages] == [40, None, 41]


def test_length_of_a_newest_list_is_no_total(pool: ThreadPoolExecutor) -> None:
    """Only the walk knows whether it read all of it in the end."""
    for spec in LISTS_NEWEST_FIRST.values():
        source = FakePages()
        pages = list(stream_pages(source.walk((None,), (5,)), spec, source.fetch, pool, CursorState()))
        assert [page.total for page in pages] == [None, 41]


def test_each_page_has_the_position_after_it(pool: ThreadPoolExecutor) -> None:
    """The position is read after the walk has got the page."""
    source, state = FakePages(), CursorState("of an earlier walk")

    def walk() -> Walk:
        for position in (7, 9):
            yield (position,)
            state.position = f"below {position}"
        return WalkOutcome(None, 2)

    pages = list(stream_pages(walk(), RESERVATIONS, source.fetch, pool, state))
    assert [page.position for page in pages] == ["below 7", "below 9"]


def test_refused_cursor_makes_no_page_unless_last(pool: ThreadPoolExecutor) -> None:
    """The walk gets the refusal, and its doubt is always reported."""
    source = FakePages()
    pages = list(
        stream_pages(source.walk((None,), (13,), (5,), (13,)), RESERVATIONS, source.fetch, pool, CursorState())
    )
    assert ids(pages) == [1, 5, None]
    assert [answer.refused for answer in source.answers] == [False, True, False, True]
    assert (pages[-1].doubt, pages[-1].observed_at) == ("why", NOON)


def test_error_is_raised_at_its_position(pool: ThreadPoolExecutor) -> None:
    """The pages before it are whole; an error of a dropped page is not raised."""
    source = FakePages()
    pages = stream_pages(source.walk((0, 666), (5, 666), (666,)), LISTINGS, source.fetch, pool, CursorState())
    assert ids([next(pages), next(pages)]) == [1, 5]
    with pytest.raises(SourceUnavailable):
        next(pages)
    assert ids(list(stream_pages(source.walk((0, 666), (5,)), LISTINGS, source.fetch, pool, CursorState()))) == [1, 5]


def test_walk_that_is_left_drops_its_requests(pool: ThreadPoolExecutor) -> None:
    """Its end waits for no answer."""
    source = FakePages()
    pages: Generator[Page] = stream_pages(
        source.walk((0, 5, 9), (5, 9), (9,)), LISTINGS, source.fetch, pool, CursorState()
    )  # type: ignore[assignment]  # a generator is what it is
    next(pages)
    pages.close()
    assert len(source.answers) == 1
