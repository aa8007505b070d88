from __future__ import annotations

import tracemalloc
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostaway_sync.sandbox import World
from hostaway_sync.sandbox.seed.layout import FirstIds, Layout
from hostaway_sync.sandbox.seed.live_order import LiveOrder
from hostaway_sync.sandbox.seed.prng import Shuffle

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1_795_262_400


def _layout(reservations: int, seed: int = 1, *, conversations: bool = True) -> Layout:
    return Layout(
        seed=seed, reservations=reservations, listings=3, start=START, first=FirstIds(), conversations=conversations
    )


@given(st.integers(0, 5_000), st.integers(0, 1 << 70))
@settings(deadline=None)
def test_a_shuffle_is_undone_exactly(size: int, seed: int) -> None:
    """Every place comes back to the value it came from, and none is used twice."""
    shuffle = Shuffle(size, seed)
    places = [shuffle.forward(value) for value in range(size)]
    assert sorted(places) == list(range(size))
    assert [shuffle.backward(place) for place in places] == list(range(size))


@given(st.integers(0, 700), st.integers(0, 1_000))
@settings(deadline=None)
def test_positions_and_ids_are_two_names_for_the_same_row(reservations: int, seed: int) -> None:
    """Both lists are strictly sorted by falling (stamp, id), and every id leads back to its position."""
    layout = _layout(reservations, seed)
    keys = [(layout.updated(position), layout.reservation_id(position)) for position in range(reservations)]
    assert keys == sorted(set(keys), reverse=True)
    assert [layout.reservation_position(number) for _, number in keys] == list(range(reservations))
    threads = [(layout.sent_order(place), layout.conversation_id(place)) for place in range(layout.conversations)]
    assert threads == sorted(set(threads), reverse=True)
    assert [layout.conversation_place(number) for _, number in threads] == list(range(layout.conversations))


def test_ids_that_were_not_seeded_have_no_position() -> None:
    """Ids below, above and between the seeded ones belong to no row."""
    layout = _layout(200)
    assert layout.reservation_position(41_199_999) is None
    assert layout.reservation_position(41_200_200) is None
    assert layout.listing_number(layout.listing_id(0) + 1) is None
    assert layout.listing_number(layout.listing_id(3)) is None
    assert layout.conversation_place(33_000_000 + 3 * 500) is None
    assert layout.conversation_place(layout.first.conversations + 3 * 8 + 2) is None
    assert _layout(200, conversations=False).place_at(0, 0) is None


def test_787_reservations_have_757_conversations() -> None:
    """These are the figures that the call counts of other tests rest on."""
    assert _layout(787).conversations == 757


def test_ids_rise_and_fall_along_the_list_and_stamps_tie() -> None:
    """The order of ids is not the order of rows, and one second holds sixteen rows."""
    layout = _layout(787)
    numbers = [layout.reservation_id(position) for position in range(787)]
    rises = sum(later > earlier for earlier, later in pairwise(numbers))
    assert 100 < rises < 687
    stamps = [layout.updated(position) for position in range(787)]
    assert max(stamps.count(stamp) for stamp in set(stamps)) >= 16


def test_a_million_reservations_cost_no_memory() -> None:
    """Pages from the top, the middle and the end of a million rows are made within a few megabytes."""
    tracemalloc.start()
    try:
        world = World(reservations=1_000_000)
        for offset in (0, 499_990, 999_900):
            entries = world.reservation_order.slice(offset, 100)
            assert len("".join(str(world.reservation_text(*entry)) for entry in entries)) > 250_000
        for _, number in world.conversation_order.slice(900_000, 50):
            world.conversation_text(number)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


def _naive(rows: dict[int, int]) -> list[int]:
    return [number for _, number in sorted(((stamp, number) for number, stamp in rows.items()), reverse=True)]


@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.sampled_from(["place", "remove"]), st.integers(0, 50), st.integers(0, 45)), max_size=30),
    st.integers(0, 60),
    st.integers(0, 20),
)
@settings(deadline=None)
def test_the_live_order_equals_a_sorted_list(
    size: int, moves: Sequence[tuple[str, int, int]], offset: int, limit: int
) -> None:
    """Whatever moves, comes or goes: slices, lengths and cursors are those of a list sorted anew."""
    order = LiveOrder(
        size,
        id_at=lambda position: 100 + (position * 7) % 40 if size == 40 else 100 + size - 1 - position,
        stamp_at=lambda position: 40 - position,
        position_of=lambda number: _position(number, size),
    )
    rows = {
        (100 + (position * 7) % 40 if size == 40 else 100 + size - 1 - position): 40 - position
        for position in range(size)
    }
    for move, number, stamp in moves:
        if move == "place":
            order.place(100 + number, stamp)
            rows[100 + number] = stamp
        elif 100 + number in rows:
            order.remove(100 + number)
            del rows[100 + number]
        else:
            with pytest.raises(KeyError):
                order.remove(100 + number)
    expected = _naive(rows)
    assert [number for _, number in order] == expected
    assert len(order) == len(expected)
    assert [number for _, number in order.slice(offset, limit)] == expected[offset : offset + limit]
    for place, number in enumerate(expected):
        assert order.after(number) == place + 1
        assert order.stamp(number) == rows[number]
        assert number in order


def _position(number: int, size: int) -> int | None:
    if size == 40 and 100 <= number < 140:
        return (number - 100) * 23 % 40
    return 100 + size - 1 - number if size != 40 and 100 <= number < 100 + size else None


def test_a_removed_row_is_remembered_by_its_last_place() -> None:
    """The offset after a removed row is that of the row that took its place; an unknown row has none."""
    world = World(reservations=20)
    order = world.reservation_order
    numbers = [number for _, number in order]
    order.remove(numbers[4])
    assert order.after(numbers[4]) == 4
    assert order.slice(4, 1)[0][1] == numbers[5]
    assert order.after(5) is None
    assert order.stamp(5) is None
    order.place(numbers[4], 1)
    assert [number for _, number in order][-1] == numbers[4]
