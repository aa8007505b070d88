"""The calendars of an account: days from the seed, what was written over them, and the stays that take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hostaway_sync.sandbox.rows.calendar import calendar_day, day_edits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.sandbox.seed.layout import Layout
    from hostaway_sync.sandbox.world.stays import Stays


_BLOCKED: Final = {"isAvailable": "0", "status": '"blocked"'}


class Calendars:
    """Days of listings, for reading and writing; edits of days that a stay takes show when the stay is gone."""

    def __init__(self, layout: Layout, stays: Stays) -> None:
        self._seed = layout.seed
        self._stays = stays
        self._edits: dict[int, dict[int, dict[str, str]]] = {}
        self._linked: dict[int, set[int]] = {}

    def link(self, parent_id: int, unit_id: int) -> None:
        """Let the stays of each of two listings block the days of the other."""
        self._linked.setdefault(parent_id, set()).add(unit_id)
        self._linked.setdefault(unit_id, set()).add(parent_id)

    def texts(self, listing_id: int, first: int, last: int, reservation: Callable[[int], str] | None) -> list[str]:
        """Return the days from `first` to `last`, counted from 1970-01-01.

        `reservation` gives the JSON text of a reservation, to be embedded; None embeds none.
        """
        taken: dict[int, list[str]] = {}
        for stay in self._stays.between(listing_id, first, last):
            text = [] if reservation is None else [reservation(stay.reservation_id)]
            for day in range(max(first, stay.arrival), min(last + 1, stay.departure)):
                taken.setdefault(day, []).extend(text)
        edits = self._edits.get(listing_id, {})
        if listing_id in self._linked:
            edits = edits | {
                day: edits.get(day, {}) | _BLOCKED for day in self._taken_by_linked(listing_id, first, last)
            }
        return [
            calendar_day(
                self._seed,
                listing_id,
                day,
                edits.get(day),
                f"[{','.join(taken[day])}]" if day in taken else "[]",
                is_reserved=day in taken,
            )
            for day in range(first, last + 1)
        ]

    def _taken_by_linked(self, listing_id: int, first: int, last: int) -> set[int]:
        stays = [stay for other in self._linked[listing_id] for stay in self._stays.between(other, first, last)]
        return {day for stay in stays for day in range(max(first, stay.arrival), min(last + 1, stay.departure))}

    def edit(self, listing_id: int, first: int, last: int, keys: Mapping[str, Any]) -> None:
        """Write keys over the days from `first` to `last`; ValueError for a key that no day has."""
        texts = day_edits(keys)
        days = self._edits.setdefault(listing_id, {})
        for day in range(first, last + 1):
            days[day] = days.get(day, {}) | texts
