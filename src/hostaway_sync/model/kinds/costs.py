"""How many requests the lists of the other kinds need. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from hostaway_sync.model.kinds.kind import REFUSED_LISTS, REFUSED_PERIOD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hostaway_sync.model.kinds.facts import KindFacts

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KindNeed:
    """The requests for one account's other kinds.

    Attributes:
        first_sync_calls: requests that read each list once.
        by_kind: requests a day by the name of each kind.
    """

    first_sync_calls: int
    by_kind: Mapping[str, float]

    @property
    def per_day(self) -> float:
        """Requests a day for all kinds."""
        return sum(self.by_kind.values())


def estimate_kind_need(kinds: Iterable[KindFacts], run_interval: timedelta, page_size: int) -> KindNeed | None:
    """Return what the kinds of an account need that are mirrored; None: none is.

    A list of which mostly a part is read counts as read whole, so that the figure is an upper bound.

    Args:
        kinds: as they are now.
        run_interval: time between two runs; no list is read twice in one.
        page_size: rows that one request brings at most.
    """
    mirrored = [facts for facts in kinds if facts.is_on]
    if not mirrored:
        return None
    calls = {facts.kind.name: count_reading_calls(facts, page_size) for facts in mirrored}
    by_kind = {
        facts.kind.name: calls[facts.kind.name] * (_DAY / max(_choose_period(facts), run_interval))
        for facts in mirrored
    }
    return KindNeed(sum(calls.values()), by_kind)


def count_reading_calls(facts: KindFacts, page_size: int) -> int:
    """Return how many requests read all lists of a kind once; where the account's plan lacks it, how many show that."""
    if facts.is_unavailable:
        return min(facts.lists, REFUSED_LISTS)
    pages = ceil(facts.live / (max(1, facts.lists) * page_size))
    return facts.lists * max(facts.kind.requests, pages)


def _choose_period(facts: KindFacts) -> timedelta:
    return max(REFUSED_PERIOD, facts.kind.every) if facts.is_unavailable else facts.kind.every
