"""All faults of sending a message, in any order: the guest gets it once, and no message is forgotten."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

import pytest
from tests.support.chaos.send_chaos import MARK, SendChaos
from tests.support.chaos.send_faults import SEND_FAULTS
from tests.support.servers.tcp_proxy import TcpProxy

from hostaway_sync.sandbox import AccountSpec, Switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

SOAK = 100


def go_through(sync_env: Build, seed: int, log: pytest.LogCaptureFixture) -> None:
    """Cause every fault once, in an order of chance, for several guests of two accounts."""
    chance = random.Random(seed)  # noqa: S311  (a test that can be repeated)
    switches = Switches(
        sent_body=chance.choice(("plain", "html")),
        sent_status=chance.choice(("sent", "awaiting")),
        thread_order=chance.choice(("id", "date")),
        fail_text=chance.choice(("message", "result", "list")),
        max_limit=chance.choice((500, 20)),
    )
    accounts = [
        AccountSpec(reservations=8),
        AccountSpec(id=70002, reservations=8, same_ids_as_first=chance.random() < 0.5),
    ]
    env = sync_env(accounts=accounts, seed=seed, switches=switches, store=False)
    env.empty_database()
    for spec in accounts:
        env.store_account(spec.id)
    with log.at_level(logging.DEBUG, "hostaway_sync"), TcpProxy(env.sandbox.url) as proxy:
        dispatch = SendChaos(env, chance, proxy)
        for name in chance.sample(sorted(SEND_FAULTS), len(SEND_FAULTS)):
            try:
                dispatch.go_wrong(SEND_FAULTS[name])
            except BaseException as error:
                error.add_note(f"seed {seed}, {name}")
                raise
        dispatch.end()
    assert MARK not in log.text
    env.sandbox.stop()


@pytest.mark.no_cover
def test_faults_in_random_order_lose_and_repeat_nothing(sync_env: Build, caplog: pytest.LogCaptureFixture) -> None:
    """Each message ends as it really went, or waits for a person."""
    go_through(sync_env, random.randrange(1 << 30), caplog)  # noqa: S311  (pytest-randomly seeds it)


@pytest.mark.soak
@pytest.mark.parametrize("turn", range(SOAK))
def test_hundred_rounds_of_faults_lose_and_repeat_nothing(
    sync_env: Build, caplog: pytest.LogCaptureFixture, turn: int
) -> None:
    """The same, for longer."""
    go_through(sync_env, turn, caplog)
