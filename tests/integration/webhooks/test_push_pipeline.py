from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from tests.support import sql
from tests.support.deliveries import ONE_RETRY, QUICK, eventually
from tests.support.programs.forked import start_beside
from tests.support.servers.receiver import RunningReceiver, event
from tests.support.sync_env import MASTER_KEY

from hostaway_sync.sandbox import Switches
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.webhooks import credentials as webhook_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    from hostaway_sync.store.webhooks.credentials import Credentials


class Served:
    """Receiver and worker in one process."""

    def __init__(self, env: SyncEnv) -> None:
        environment = env.environment(LOG_LEVEL="INFO", LOG_FORMAT="json")
        self._process = start_beside(environment, "serve-webhooks", "--port", "0", stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        line = next(line for line in self._process.stderr if "listening on" in line)
        port = int(json.loads(line)["event"].rpartition(" ")[2])
        self.receiver = RunningReceiver(env.database, ("127.0.0.1", port))
        self._reader = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._reader.start()

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        self._process.send_signal(number)
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


def send(receiver: RunningReceiver, credentials: Credentials, number: int) -> bool:
    """Send one delivery; return whether it was acknowledged."""
    with suppress(OSError):
        return receiver.deliver(credentials, event(id=number)).status == HTTPStatus.OK
    return False


def play(env: SyncEnv, kills: int) -> None:
    """Kill receiver and worker repeatedly while deliveries come; check that no acknowledged delivery is lost."""
    env.mirror().sync.run(env.account_id)
    credentials = renew_keys(env)
    lots = random.Random(7)  # noqa: S311  (draws the same each time)
    world = env.sandbox.account(env.account_id)
    numbers = sorted(env.truth("reservations"))
    acknowledged = 0
    refused: list[int] = []
    for kill in range(kills):
        served = Served(env)
        for count in range(10):
            number = lots.choice(numbers)
            world.update_reservation(number, guestName=f"Guest {kill} {count}")
            if send(served.receiver, credentials, number):
                acknowledged += 1
            else:
                refused.append(number)
            if count == 7:
                served.end(signal.SIGKILL)
    # As the source does with deliveries that were not accepted.
    served = Served(env)
    assert all(send(served.receiver, credentials, number) for number in refused)
    served.end(signal.SIGTERM)
    ((stored,),) = sql.rows(env.database, "SELECT count(*) FROM webhook_log")
    assert stored >= acknowledged + len(refused) == 10 * kills
    assert sql.rows(env.database, "SELECT job FROM dead_letters") == []
    with env.mirror().jobs.start_worker(policy=ONE_RETRY, timings=QUICK):
        eventually(
            lambda: not sql.rows(env.database, "SELECT 1 FROM webhook_log WHERE status <> 'processed'"),
            "all were worked off",
        )
    assert env.differences() == {}


def renew_keys(env: SyncEnv) -> Credentials:
    """Return new credentials of the account, sealed with its key."""
    made = partial(
        webhook_credentials.renew_credentials,
        vault=KeyRing([MASTER_KEY]),
        account_id=env.account_id,
        url="https://sync.example.org",
    )
    return env.database.transaction(made)


def test_no_acknowledged_delivery_is_lost_to_kills(sync_env: Callable[..., SyncEnv]) -> None:
    """Receiver and worker are killed twice: every acknowledged delivery is processed."""
    play(sync_env(reservations=6, conversations=False, switches=Switches(single_extra_keys=False)), kills=2)


@pytest.mark.soak
def test_no_acknowledged_delivery_is_lost_to_many_kills(sync_env: Callable[..., SyncEnv]) -> None:
    """The same, forty times."""
    play(sync_env(reservations=30, conversations=False, switches=Switches(single_extra_keys=False)), kills=40)
