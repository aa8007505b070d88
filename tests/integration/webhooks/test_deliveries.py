from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK, deliver

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.app.mirror import Mirror

# A single reservation has the keys of its list, so that the two can be compared.
PLAIN = Switches(single_extra_keys=False)
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["updated", "paid", "cancelled", "message", "listing"]), st.integers(0, 5)), max_size=6
)


def happen(env: SyncEnv, what: str, index: int) -> tuple[Resource, int]:
    """Cause an event at the source, and return the object of its delivery."""
    world = env.sandbox.account(env.account_id)
    reservation = sorted(env.truth("reservations"))[index]
    threads = world.conversations_of(reservation)
    if what == "listing":
        listing = min(env.truth("listings"))
        # Not its name, which reservations and conversations repeat, and no delivery announces for them.
        world.edit_listing(listing, description=f"Quiet, {index}")
        return Resource.LISTINGS, listing
    if what == "message" and threads:
        world.guest_message(threads[0], "Is it quiet at night?")
        return Resource.CONVERSATIONS, threads[0]
    if what == "paid":
        world.pay(reservation)
    elif what == "cancelled":
        world.cancel_reservation(reservation)
    else:
        world.update_reservation(reservation, guestName=f"Guest {index}")
    return Resource.RESERVATIONS, reservation


def work_off(mirror: Mirror) -> None:
    """Work until nothing is due."""
    with mirror.jobs.start_worker(drain=True, policy=ONE_RETRY, timings=QUICK) as working:
        working.wait()


def test_deliveries_in_any_order_end_equal_to_the_source(sync_env: Callable[..., SyncEnv]) -> None:
    """Whatever happened, however deliveries are shuffled and repeated: the mirror equals the source."""
    env = sync_env(reservations=8, listings=2, switches=PLAIN)
    mirror = env.mirrored()
    # A message moves its reservation as well, which has a delivery of its own.
    moved = {
        thread: number
        for number in env.truth("reservations")
        for thread in env.sandbox.account(env.account_id).conversations_of(number)
    }

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(happenings=HAPPENINGS, seed=st.integers(0, 2**32))
    def hold(happenings: list[tuple[str, int]], seed: int) -> None:
        jitter = random.Random(seed)  # noqa: S311  (no secret)
        owed: list[tuple[Resource, int]] = []
        for one in happenings:
            resource, number = happen(env, *one)
            owed.append((resource, number))
            if number in moved:
                owed.append((Resource.RESERVATIONS, moved[number]))
        repeated = owed + jitter.choices(owed, k=jitter.randint(0, 6)) if owed else []
        shuffled = jitter.sample(repeated, len(repeated))
        pause = jitter.randint(0, len(shuffled))
        for resource, number in shuffled[:pause]:
            deliver(env.database, env.account_id, resource, number)
        work_off(mirror)
        for resource, number in shuffled[pause:]:
            deliver(env.database, env.account_id, resource, number)
        work_off(mirror)
        assert env.differences() == {}
        assert set(sql.rows(env.database, "SELECT DISTINCT status FROM webhook_log")) <= {("processed",)}

    hold()


def test_days_old_deliveries_are_as_good_as_new_ones(sync_env: Callable[..., SyncEnv]) -> None:
    """The content of a delivery is not used: only the object that it names is read."""
    env = sync_env()
    mirror = env.mirrored()
    resource, number = happen(env, "updated", 1)
    deliver(env.database, env.account_id, resource, number)
    happen(env, "cancelled", 1)
    sql.execute(env.database, "UPDATE webhook_log SET created_at = now() - interval '9 days'")
    work_off(mirror)
    assert env.rows("reservations")[number]["status"] == "cancelled"


def test_fifty_deliveries_of_one_object_cost_one_request(sync_env: Callable[..., SyncEnv]) -> None:
    """However many wait."""
    env = sync_env()
    mirror = env.mirrored()
    listing = min(env.truth("listings"))
    env.sandbox.account(env.account_id).edit_listing(listing, name="House")
    for _ in range(50):
        deliver(env.database, env.account_id, Resource.LISTINGS, listing)
    before = env.sandbox.calls.total()
    work_off(mirror)
    assert env.sandbox.calls.total() == before + 1
    assert env.rows("listings")[listing]["name"] == "House"


def test_unreachable_source_costs_only_time(sync_env: Callable[..., SyncEnv]) -> None:
    """Failed readings are retried, and no object is read twice after a success."""
    env = sync_env(switches=PLAIN)
    mirror = env.mirrored(retry_attempts=1)
    resource, number = happen(env, "updated", 1)
    env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations/{id}", times=1)
    deliver(env.database, env.account_id, resource, number)
    work_off(mirror)
    assert sql.rows(env.database, "SELECT status, attempts FROM webhook_log") == [("processed", 1)]
    assert env.rows("reservations")[number] == env.truth("reservations")[number]


def test_queued_syncs_mirror_every_account(sync_env: Callable[..., SyncEnv]) -> None:
    """One job an account, each once, whichever worker does them."""
    env = sync_env(accounts=[AccountSpec(reservations=9), AccountSpec(id=70002, reservations=9)])
    mirror = env.mirror()
    assert mirror.jobs.enqueue_syncs() == mirror.jobs.enqueue_syncs() == sorted(env.sandbox.accounts)
    work_off(mirror)
    for account_id in env.sandbox.accounts:
        assert env.differences(account_id) == {}
    assert sql.rows(env.database, "SELECT count(*) FROM sync_runs") == [(len(env.sandbox.accounts),)]
