"""The order in which accounts are mirrored; pure: the time is an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.model.records import Mode, Resource
from hostaway_sync.sync import plan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from hostaway_sync.model.run_history import PlanFacts


def order_shortest_first(
    outlooks: Iterable[PlanFacts], now: datetime, *, full: bool, sweep_after: timedelta
) -> list[int]:
    """Return the ids of accounts, those with short runs first, so that a large first sync delays no small account.

    Incremental runs come before full ones, and first syncs, whose size is not known, come last. Among equals, the
    account whose last such run needed fewer requests comes first.

    Args:
        outlooks: what is known of each account.
        now: by the database's clock.
        full: whether every run is to read everything.
        sweep_after: a list is read whole when its last sweep is this old.
    """

    def rank(outlook: PlanFacts) -> tuple[bool, bool, int, int]:
        is_full = bool(plan.select_whole_lists(Resource, outlook.marks, now, full=full, sweep_after=sweep_after))
        calls = outlook.calls.get(Mode.FULL if is_full else Mode.INCREMENTAL)
        return is_full, is_full and calls is None, calls or 0, outlook.account_id

    return [outlook.account_id for outlook in sorted(outlooks, key=rank)]
