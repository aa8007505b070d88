"""Which nights of a listing its reservations take, found without reading the reservations again for each question."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hostaway_sync.sandbox.rows.phrases import STATUSES
from hostaway_sync.sandbox.rows.reservation_facts import reservation_facts
from hostaway_sync.sandbox.seed.timestamps import parse_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.sandbox.seed.layout import Layout

BLOCKING: Final = frozenset({"new", "modified", "ownerStay", "expired"})
"""Statuses whose nights are taken; an expired stay keeps its nights, by Hostaway's design."""
_SEEDED_BLOCKING = frozenset(number for number, status in enumerate(STATUSES) if status in BLOCKING)
_ARRIVAL = 40
_NIGHTS = 32
_POSITION_BITS = (1 << _NIGHTS) - 1
_NIGHTS_BITS = (1 << _ARRIVAL - _NIGHTS) - 1


class Stay(NamedTuple):
    """A reservation that takes the nights `arrival` <= day < `departure`, in days since 1970-01-01."""

    reservation_id: int
    arrival: int
    departure: int


class Stays:
    """The stays of an account by listing.

    Seeded ones are read once, at the first question, and kept as one whole number each. Reservations that changed
    since are noted by their id, and read at the next question.
    """

    def __init__(self, layout: Layout, changed: Mapping[int, Mapping[str, Any]]) -> None:
        """`changed` holds the payloads of the reservations that changed, and not those of deleted ones."""
        self._layout = layout
        self._changed = changed
        self._unread: set[int] = set()
        self._replaced: set[int] = set()
        self._seeded: dict[int, array[int]] | None = None
        self._longest = 0
        self._later: dict[int, dict[int, Stay]] = {}
        self._listing_of: dict[int, int] = {}

    def note_change(self, reservation_id: int) -> None:
        """Note that a reservation was added, changed or deleted."""
        self._unread.add(reservation_id)

    def between(self, listing_id: int, first: int, last: int) -> list[Stay]:
        """Return the stays on a listing that take a night from `first` to `last`, by arrival and id."""
        self._read_changes()
        found = [stay for stay in self._seeded_between(listing_id, first, last) if stay.departure > first]
        later = self._later.get(listing_id, {}).values()
        found += [stay for stay in later if stay.arrival <= last and stay.departure > first]
        return sorted(found, key=lambda stay: (stay.arrival, stay.reservation_id))

    def _seeded_between(self, listing_id: int, first: int, last: int) -> list[Stay]:
        if self._seeded is None:
            self._seeded = self._read_seeded()
        packed = self._seeded.get(listing_id, array("q"))
        start = bisect_left(packed, first - self._longest << _ARRIVAL)
        stays = []
        for value in packed[start : bisect_left(packed, last + 1 << _ARRIVAL)]:
            number = self._layout.reservation_id(value & _POSITION_BITS)
            if number not in self._replaced:
                arrival = value >> _ARRIVAL
                stays.append(Stay(number, arrival, arrival + (value >> _NIGHTS & _NIGHTS_BITS)))
        return stays

    def _read_seeded(self) -> dict[int, array[int]]:
        found: dict[int, list[int]] = {}
        for position in range(self._layout.reservations):
            facts = reservation_facts(self._layout, position, self._layout.reservation_id(position))
            if facts.status in _SEEDED_BLOCKING and facts.nights:
                value = facts.arrival << _ARRIVAL | facts.nights << _NIGHTS | position
                found.setdefault(facts.listing_id, []).append(value)
                self._longest = max(self._longest, facts.nights)
        return {listing_id: array("q", sorted(values)) for listing_id, values in found.items()}

    def _read_changes(self) -> None:
        for number in self._unread:
            self._replaced.add(number)
            if number in self._listing_of:
                del self._later[self._listing_of.pop(number)][number]
            payload = self._changed.get(number)
            stay = None if payload is None else _stay(number, payload)
            if payload is not None and stay is not None:
                listing_id = payload["listingMapId"]
                self._later.setdefault(listing_id, {})[number] = stay
                self._listing_of[number] = listing_id
        self._unread.clear()


def _stay(reservation_id: int, payload: Mapping[str, Any]) -> Stay | None:
    """Return the nights of a reservation, none where it departs as it arrives; None where it blocks nothing."""
    arrival, departure = parse_day(payload.get("arrivalDate")), parse_day(payload.get("departureDate"))
    if payload.get("status") not in BLOCKING or arrival is None or departure is None:
        return None
    return Stay(reservation_id, arrival, departure)
