from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.model.callers import Access
from hostaway_sync.model.history.events import LifeKind
from hostaway_sync.model.history.feed import OLDEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]


def test_life_and_feed_follow_real_runs(sync_env: Build) -> None:
    """The first run is no news; a stay that comes later, costs more, is called off and deleted has a life."""
    env = sync_env(listings=2, reservations=5)
    mirror, world = env.mirror(), env.sandbox.account(env.account_id)
    mirror.sync.run(env.account_id)
    first = [change.resource for page in mirror.history.feed.pages(OLDEST) for _, change in page.entries]
    assert first == ["sync"]
    stay = world.create_reservation(
        listingMapId=min(env.truth("listings")), totalPrice=100, currency="EUR", status="new", numberOfGuests=2
    )
    mirror.sync.run(env.account_id)
    for fields in ({"totalPrice": 120.5, "numberOfGuests": 3}, {"status": "cancelled"}):
        world.update_reservation(stay, **fields)
        mirror.sync.run(env.account_id)
    world.delete_reservation(stay)
    mirror.sync.run(env.account_id, full=True)
    account_id, events = mirror.history.tell(stay)
    assert account_id == env.account_id
    assert mirror.rows.tell_history(Access.everything(), str(stay)) == (account_id, events)
    lived = [(event.kind, event.says, event.cause) for event in events if event.resource == "reservations"]
    assert [kind for kind, _, _ in lived] == [LifeKind.BOOKED, LifeKind.CHANGED, LifeKind.CHANGED, LifeKind.MISSING]
    assert ", 2 guests, 100.00 EUR, status new" in lived[0][1]
    assert lived[1][1].startswith("price 100.00 EUR → 120.50 EUR; guests 2 → 3")
    assert lived[2][1].startswith("status new → cancelled")
    assert {cause for _, _, cause in lived} == {"sync"}
    fed = [
        change.change
        for page in mirror.history.feed.pages(OLDEST)
        for _, change in page.entries
        if change.record_id == str(stay)
    ]
    assert fed == ["inserted", "updated", "updated", "missing"]
