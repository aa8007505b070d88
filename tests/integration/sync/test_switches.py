from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.chaos.random_changes import SWITCHES, WORLDS
from tests.support.chaos.sync_chaos import SyncChaos
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.sandbox import Switches

    Build = Callable[..., SyncEnv]

STEPS = st.lists(st.sampled_from(("change", "sync", "refresh")), min_size=3, max_size=6)


@pytest.mark.no_cover
@given(switches=SWITCHES, steps=STEPS, seed=st.integers(0, 10_000))
@settings(WORLDS, max_examples=examples(9))
def test_quiet_run_is_exact_under_every_switch(
    sync_env: Build, switches: Switches, steps: Sequence[str], seed: int
) -> None:
    """However Hostaway behaves where it is not known, and whatever happens between any two requests."""
    weather(sync_env, switches, steps, seed)


@pytest.mark.no_cover
@given(switches=SWITCHES, steps=STEPS, seed=st.integers(0, 10_000))
@settings(WORLDS, max_examples=examples(6))
def test_deep_repair_finds_changes_without_a_stamp(
    sync_env: Build, switches: Switches, steps: Sequence[str], seed: int
) -> None:
    """Messages are edited, planned and deleted without a stamp."""
    weather(sync_env, switches, steps, seed, silent=True)


@pytest.mark.soak
@given(switches=SWITCHES, steps=STEPS, seed=st.integers(0, 1_000_000), silent=st.booleans())
@settings(WORLDS, max_examples=80)
def test_many_quiet_runs_are_exact_under_every_switch(
    sync_env: Build, switches: Switches, steps: Sequence[str], seed: int, *, silent: bool
) -> None:
    """The same for minutes, of larger accounts."""
    weather(sync_env, switches, steps, seed, silent=silent, size=60)


def weather(
    sync_env: Build, switches: Switches, steps: Sequence[str], seed: int, *, silent: bool = False, size: int = 25
) -> None:
    """Run these steps in a storm of changes, and compare afterwards."""
    env = sync_env(reservations=size, listings=4, switches=switches, seed=seed, store=False)
    env.empty_database()
    env.store_account()
    storm = SyncChaos(env, random.Random(seed), silent=silent)  # noqa: S311  (a test that can be repeated)
    for step in ("sync", *steps):
        storm.step(step)
    storm.end()
    env.sandbox.stop()
