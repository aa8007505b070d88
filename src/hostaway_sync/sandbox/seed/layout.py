"""Where the rows of a seeded account lie: position in a list ↔ id ↔ stamp, all in O(1) and without a table.

Reservations stand newest `updatedOn` first. Sixteen positions make a block: its ids are close together but in no
order, except that rows of the same second stand by falling id, as the list is sorted; blocks are shuffled. One block
in eight was touched as a whole in one second, as Hostaway's nightly jobs do (API notes, 5). Conversations follow the
order of their reservations: of 104 reservations six have none, one has a second one, and one stranger wrote about
no reservation at all, so that 787 reservations have 757 conversations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hostaway_sync.sandbox.seed.prng import Shuffle, mix
from hostaway_sync.sandbox.seed.timestamps import DAY

BLOCK: Final = 16
PERIOD: Final = 104
_TOUCHED_BLOCK = 5
_SILENT_RANK = 8
_TWICE_RANK = 50
_STRANGER_RANK = 80
ANSWER_GAP: Final = 2 * DAY
"""Seconds between the last host message of a seeded thread and its reservation's `updatedOn`."""
IDS_PER_THREAD: Final = 1024
FIRST, SECOND, STRANGER = 0, 1, 2
_NEVER_ANSWERED: Final = 20_000 * DAY
_YEARS: Final = 3 * 365 * DAY
_TIES = (0, 1, 2, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10, 10, 11)
_GROUPS = 12


def _slots() -> tuple[int, ...]:
    slots = [0] * BLOCK
    taken = 0
    for turn in range(_GROUPS):
        group = (turn * 5 + 3) % _GROUPS
        for rank in reversed([rank for rank in range(BLOCK) if _TIES[rank] == group]):
            slots[rank] = taken
            taken += 1
    return tuple(slots)


_MIXED_SLOTS = _slots()
_TOUCHED_SLOTS = tuple(reversed(range(BLOCK)))
_MIXED_RANKS = tuple(_MIXED_SLOTS.index(slot) for slot in range(BLOCK))
_ENTRIES = tuple(
    (rank, kind)
    for rank in range(PERIOD)
    for kind in (STRANGER, SECOND, FIRST)
    if (kind == FIRST and rank % 17 != _SILENT_RANK)
    or (kind == SECOND and rank == _TWICE_RANK)
    or (kind == STRANGER and rank == _STRANGER_RANK)
)
_ENTRY_OF = {entry: number for number, entry in enumerate(_ENTRIES)}


@dataclass(frozen=True, slots=True)
class FirstIds:
    """The lowest id of each kind; accounts get ranges that do not meet, as at Hostaway."""

    listings: int = 300_101
    reservations: int = 41_200_000
    conversations: int = 33_000_000
    messages: int = 500_000_000

    @classmethod
    def of(cls, number: int) -> FirstIds:
        """Return the ranges of the account with this running number."""
        return cls(
            300_101 + number * 1_000_000,
            41_200_000 + number * 10_000_000,
            33_000_000 + number * 30_000_000,
            500_000_000 + number * 50_000_000_000,
        )


class Layout:
    """Positions, ids and stamps of one seeded account; `start` is its clock's first second."""

    def __init__(
        self, *, seed: int, reservations: int, listings: int, start: int, first: FirstIds, conversations: bool
    ) -> None:
        self.seed = seed
        self.reservations = reservations
        self.listings = listings
        self.start = start
        self.first = first
        self._newest = start - 300
        self._blocks, self._rest = divmod(reservations, BLOCK)
        self._shuffle = Shuffle(self._blocks, mix(seed))
        self._rest_shuffle = Shuffle(self._rest, mix(seed + 1))
        self._span = max(64, min(_YEARS, reservations * DAY // 2) * BLOCK // max(reservations, 1))
        full, part = divmod(reservations, PERIOD)
        self.conversations = 0
        if conversations:
            self.conversations = full * len(_ENTRIES) + sum(rank < part for rank, _ in _ENTRIES)
        self._unanswered = self.conversations - self.conversations // 100

    def reservation_id(self, position: int) -> int:
        """Return the id at a position of the seeded list."""
        block, rank = divmod(position, BLOCK)
        if block == self._blocks:
            return self.first.reservations + block * BLOCK + self._rest_shuffle.forward(rank)
        slots = _TOUCHED_SLOTS if block & 7 == _TOUCHED_BLOCK else _MIXED_SLOTS
        return self.first.reservations + self._shuffle.forward(block) * BLOCK + slots[rank]

    def reservation_position(self, reservation_id: int) -> int | None:
        """Return the position of a seeded id; None for an id that was not seeded."""
        number = reservation_id - self.first.reservations
        if not 0 <= number < self.reservations:
            return None
        place, slot = divmod(number, BLOCK)
        if place == self._blocks:
            return place * BLOCK + self._rest_shuffle.backward(slot)
        block = self._shuffle.backward(place)
        return block * BLOCK + (BLOCK - 1 - slot if block & 7 == _TOUCHED_BLOCK else _MIXED_RANKS[slot])

    def updated(self, position: int) -> int:
        """Return the seeded `updatedOn` at a position; never rises with the position."""
        block, rank = divmod(position, BLOCK)
        second = self._newest - block * self._span
        if block == self._blocks:
            return second - rank * (self._span // BLOCK)
        return second if block & 7 == _TOUCHED_BLOCK else second - _TIES[rank] * (self._span // _GROUPS)

    def listing_id(self, number: int) -> int:
        """Return the id of a seeded listing by its number in the list."""
        return self.first.listings + 3 * number

    def listing_number(self, listing_id: int) -> int | None:
        """Return the number of a seeded listing; None for an id that was not seeded."""
        number, rest = divmod(listing_id - self.first.listings, 3)
        return number if rest == 0 and 0 <= number < self.listings else None

    def conversation_entry(self, place: int) -> tuple[int, int]:
        """Return (position of its reservation, FIRST, SECOND or STRANGER) for a place in the seeded list."""
        full, number = divmod(place, len(_ENTRIES))
        rank, kind = _ENTRIES[number]
        return full * PERIOD + rank, kind

    def conversation_id(self, place: int) -> int:
        """Return the id at a place of the seeded list of conversations."""
        position, kind = self.conversation_entry(place)
        return self.first.conversations + 3 * (self.reservation_id(position) - self.first.reservations) + kind

    def conversation_place(self, conversation_id: int) -> int | None:
        """Return the place of a seeded conversation; None for an id that was not seeded."""
        slot, kind = divmod(conversation_id - self.first.conversations, 3)
        position = self.reservation_position(slot + self.first.reservations)
        return None if position is None else self.place_at(position, kind)

    def place_at(self, position: int, kind: int) -> int | None:
        """Return the place of the conversation of one kind at a reservation's position; None when there is none."""
        full, rank = divmod(position, PERIOD)
        number = _ENTRY_OF.get((rank, kind))
        if number is None or not self.conversations:
            return None
        return full * len(_ENTRIES) + number

    def answered(self, place: int) -> bool:
        """Return whether a host ever wrote in this conversation; the others stand last."""
        return place < self._unanswered

    def sent_order(self, place: int) -> int:
        """Return the second a seeded conversation is sorted by; never rises with the place."""
        position, _ = self.conversation_entry(place)
        sent = self.updated(position) - ANSWER_GAP
        return sent if place < self._unanswered else sent - _NEVER_ANSWERED
