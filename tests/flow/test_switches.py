from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hostaway_sync.records import Resource, RunState
from hostaway_sync.sandbox import Request, Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.town import Town

    from hostaway_sync.sandbox import World

    Build = Callable[..., Town]

SWITCHES = st.builds(Switches, **{name: st.sampled_from(allowed) for name, allowed in Switches.choices().items()})


def something_happens(world: World, chance: random.Random) -> None:
    """Change one thing at the source, as guests, hosts and nightly jobs do."""
    reservations = [row_id for row_id, _ in world.truth("reservations")]
    conversations = [row_id for row_id, _ in world.truth("conversations")]
    listings = [row_id for row_id, _ in world.truth("listings")]
    happenings: list[Callable[[], Any]] = [
        lambda: world.pay(chance.choice(reservations)),
        lambda: world.cancel_reservation(chance.choice(reservations)),
        lambda: world.delete_reservation(chance.choice(reservations)),
        world.create_reservation,
        lambda: world.touch(chance.sample(reservations, 5)),
        lambda: world.guest_message(chance.choice(conversations)),
        lambda: world.host_reply(chance.choice(conversations)),
        world.create_conversation,
        lambda: world.edit_listing(chance.choice(listings), name="Edited"),
        world.create_listing,
    ]
    chance.choice(happenings)()


# What an operator may ask of one run.
PARTS = [tuple(Resource), (Resource.RESERVATIONS,), (Resource.LISTINGS, Resource.MESSAGES), (Resource.CONVERSATIONS,)]

# One database serves all examples, which empty it themselves. Seconds a world are too many to look for a smaller one.
settings.register_profile(
    "worlds",
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORLDS = settings.get_profile("worlds")


@given(switches=SWITCHES, seed=st.integers(0, 10_000))
@settings(WORLDS, max_examples=8)
def test_a_quiet_run_is_exact_under_every_switch(town: Build, switches: Switches, seed: int) -> None:
    """However Hostaway behaves where it is not known, and whatever happened during the run before."""
    disturb_and_compare(town, switches, seed)


@pytest.mark.soak
@given(switches=SWITCHES, seed=st.integers(0, 1_000_000))
@settings(WORLDS, max_examples=150)
def test_many_quiet_runs_are_exact_under_every_switch(town: Build, switches: Switches, seed: int) -> None:
    """The same, for a quarter of an hour."""
    disturb_and_compare(town, switches, seed)


def disturb_and_compare(town: Build, switches: Switches, seed: int) -> None:
    """Sync in full, incrementally and in part while things happen, once in full while nothing does, and compare."""
    here = town(reservations=60, listings=4, switches=switches, seed=seed, store=False)
    here.forget()
    here.store_account()
    chance = random.Random(seed)  # noqa: S311  (a test that can be repeated)
    is_quiet = False

    def disturb(request: Request) -> None:
        if not is_quiet and request.route.startswith("GET /") and chance.random() < 0.2:
            something_happens(here.sandbox.world, chance)

    here.sandbox.on_request(disturb)
    with here.mirror() as mirror:
        mirror.sync(here.account_id)
        for _ in range(2):
            mirror.sync(here.account_id, resources=chance.choice(PARTS))
        is_quiet = True
        report = mirror.sync(here.account_id, full=True)
    assert report.state is RunState.SUCCESS, report.error
    # Where Hostaway says 403 of what is deleted, more than one day must pass before that is believed.
    assert here.differences(gone_too=switches.deleted_object == 404) == {}
    here.sandbox.stop()
