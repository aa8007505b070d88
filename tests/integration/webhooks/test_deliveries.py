from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.deliveries import ONE_RETRY, QUICK, deliver

from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import Town

    from hostaway_sync.app.mirror import Mirror

# A single reservation has what its list has, so that the two can be compared.
PLAIN = Switches(single_extra_keys=False)
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["updated", "paid", "cancelled", "message", "listing"]), st.integers(0, 5)), max_size=6
)


def happen(town: Town, what: str, index: int) -> tuple[Resource, int]:
    """Let something happen at the source, and give the object of its announcement."""
    world = town.sandbox.account(town.account_id)
    reservation = sorted(town.truth("reservations"))[index]
    threads = world.conversations_of(reservation)
    if what == "listing":
        listing = min(town.truth("listings"))
        # Not its name, which reservations and conversations repeat, and which nobody announces for them.
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
    with mirror.push.worker(drain=True, policy=ONE_RETRY, rhythm=QUICK) as working:
        working.wait()


def test_deliveries_in_any_order_and_number_end_as_the_source_is(town: Callable[..., Town]) -> None:
    """Whatever happened, however its announcements are shuffled and repeated: the mirror holds the source's state."""
    here = town(reservations=8, listings=2, switches=PLAIN)
    mirror = here.mirror()
    mirror.sync(here.account_id)
    # A message moves its reservation as well, which is announced as well.
    moved = {
        thread: number
        for number in here.truth("reservations")
        for thread in here.sandbox.account(here.account_id).conversations_of(number)
    }

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(happenings=HAPPENINGS, seed=st.integers(0, 2**32))
    def hold(happenings: list[tuple[str, int]], seed: int) -> None:
        jitter = random.Random(seed)  # noqa: S311  (no secret)
        owed: list[tuple[Resource, int]] = []
        for one in happenings:
            resource, number = happen(here, *one)
            owed.append((resource, number))
            if number in moved:
                owed.append((Resource.RESERVATIONS, moved[number]))
        repeated = owed + jitter.choices(owed, k=jitter.randint(0, 6)) if owed else []
        shuffled = jitter.sample(repeated, len(repeated))
        pause = jitter.randint(0, len(shuffled))
        for resource, number in shuffled[:pause]:
            deliver(here.database, here.account_id, resource, number)
        work_off(mirror)
        for resource, number in shuffled[pause:]:
            deliver(here.database, here.account_id, resource, number)
        work_off(mirror)
        assert here.differences() == {}
        assert set(here.ask("SELECT DISTINCT status FROM webhook_log")) <= {("processed",)}

    hold()


def test_days_old_deliveries_are_as_good_as_new_ones(town: Callable[..., Town]) -> None:
    """What a delivery says is not read at all: only the object that it names."""
    here = town()
    mirror = here.mirror()
    mirror.sync(here.account_id)
    resource, number = happen(here, "updated", 1)
    deliver(here.database, here.account_id, resource, number)
    happen(here, "cancelled", 1)
    here.ask("UPDATE webhook_log SET created_at = now() - interval '9 days' RETURNING 1")
    work_off(mirror)
    assert here.rows("reservations")[number]["status"] == "cancelled"


def test_fifty_deliveries_are_one_request(town: Callable[..., Town]) -> None:
    """The API is asked once for an object, however many deliveries wait for it."""
    here = town()
    mirror = here.mirror()
    mirror.sync(here.account_id)
    listing = min(here.truth("listings"))
    here.sandbox.account(here.account_id).edit_listing(listing, name="House")
    for _ in range(50):
        deliver(here.database, here.account_id, Resource.LISTINGS, listing)
    before = here.sandbox.calls.total()
    work_off(mirror)
    assert here.sandbox.calls.total() == before + 1
    assert here.rows("listings")[listing]["name"] == "House"


def test_a_source_that_is_away_costs_only_time(town: Callable[..., Town]) -> None:
    """Failed readings are tried again, and nothing is asked for twice that was read."""
    here = town(switches=PLAIN)
    mirror = here.mirror(retry_attempts=1)
    mirror.sync(here.account_id)
    resource, number = happen(here, "updated", 1)
    here.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations/{id}", times=1)
    deliver(here.database, here.account_id, resource, number)
    work_off(mirror)
    assert here.ask("SELECT status, attempts FROM webhook_log") == [("processed", 1)]
    assert here.rows("reservations")[number] == here.truth("reservations")[number]


def test_queued_syncs_mirror_every_account(town: Callable[..., Town]) -> None:
    """One job an account, each once, whoever works them."""
    here = town(accounts=[AccountSpec(reservations=9), AccountSpec(id=70002, reservations=9)])
    mirror = here.mirror()
    assert mirror.push.enqueue_syncs() == mirror.push.enqueue_syncs() == sorted(here.sandbox.accounts)
    work_off(mirror)
    for account_id in here.sandbox.accounts:
        assert here.differences(account_id) == {}
    assert here.ask("SELECT count(*) FROM sync_runs") == [(len(here.sandbox.accounts),)]
