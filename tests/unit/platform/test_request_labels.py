"""The names of the positions that a walk asks for."""

from __future__ import annotations

import pytest

from hostaway_sync.platforms.hostaway.paging.request_labels import RequestLabels
from hostaway_sync.platforms.hostaway.paging.walk import PageAnswer, Positions, Row, Walk, WalkOutcome


def walk(*plan: Positions) -> Walk:
    """Ask for these positions, whatever the answers are."""
    for positions in plan:
        assert isinstance((yield positions), PageAnswer)
    return WalkOutcome("why", 41)


def names(labels: RequestLabels, plan: list[Positions], answers: list[list[int]]) -> list[str]:
    """Return the name of each position in its turn, and follow the walk to its end."""
    watched = labels.watch(walk(*plan))
    pages = [PageAnswer([Row(number, None, b"") for number in ids]) for ids in answers]
    found = [labels.pop(next(watched)[0])]
    found += [labels.pop(watched.send(page)[0]) for page in pages[:-1]]
    with pytest.raises(StopIteration) as end:
        watched.send(pages[-1])
    assert end.value.value == WalkOutcome("why", 41)
    return found


def test_pages_by_cursor_are_counted() -> None:
    """The first needs no name."""
    plan: list[Positions] = [(None,), (7,), (4,)]
    assert names(RequestLabels(by_cursor=True), plan, [[9, 7], [6, 4], [2]]) == ["", "page 2", "page 3"]


def test_cursor_above_the_last_page_is_a_step_back() -> None:
    """The numbers of pages go on after it."""
    plan: list[Positions] = [(None,), (7,), (9,), (6,)]
    answers = [[9, 7], [], [6], [2]]
    assert names(RequestLabels(by_cursor=True), plan, answers) == ["", "page 2", "stepped back", "page 3"]


def test_second_reading_of_the_top_is_named_so() -> None:
    """As are the pages below it."""
    plan: list[Positions] = [(None,), (7,), (None,), (8,)]
    answers = [[9, 7], [6], [9, 8], [7]]
    assert names(RequestLabels(by_cursor=True), plan, answers) == [
        "",
        "page 2",
        "again from the top",
        "again from the top, page 2",
    ]


def test_resumed_walk_is_named_so() -> None:
    """Its first position is not the top."""
    plan: list[Positions] = [(7,), (4,)]
    cut = "on from where an earlier run was cut"
    assert names(RequestLabels(by_cursor=True), plan, [[6, 4], [2]]) == [cut, f"{cut}, page 2"]


def test_pages_by_offset_keep_their_number_when_fetched_ahead() -> None:
    """The label of a prefetched position is taken once, and the position is not labelled again."""
    labels = RequestLabels(by_cursor=False)
    watched = labels.watch(walk((0,), (97, 194, 291), (194, 291), (291,)))
    assert next(watched) == (0,)
    assert labels.pop(0) == ""
    assert watched.send(PageAnswer()) == (97, 194, 291)
    assert [labels.pop(offset) for offset in (291, 97, 194)] == ["page 4", "page 2", "page 3"]
    assert watched.send(PageAnswer()) == (194, 291)
    assert watched.send(PageAnswer()) == (291,)
    assert [labels.pop(offset) for offset in (194, 291)] == ["", ""]
    with pytest.raises(StopIteration):
        watched.send(PageAnswer())


def test_offset_above_the_last_is_a_step_back() -> None:
    """Zero is the top."""
    plan: list[Positions] = [(0,), (97,), (47,), (144,), (0,)]
    expected = ["", "page 2", "stepped back", "page 3", "again from the top"]
    assert names(RequestLabels(by_cursor=False), plan, [[1]] * 5) == expected


def test_repeated_offset_is_no_step_back() -> None:
    """Only a smaller one is."""
    plan: list[Positions] = [(0,), (97,), (97,)]
    assert names(RequestLabels(by_cursor=False), plan, [[1]] * 3) == ["", "page 2", "page 3"]
