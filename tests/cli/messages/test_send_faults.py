"""The program is killed at each point of sending a message, in any order: the guest gets it once."""

from __future__ import annotations

import random
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from tests.support.barrier import PATIENCE, Barrier
from tests.support.chaos.send_chaos import MARK, SendChaos
from tests.support.messages import SEND, THREAD
from tests.support.processes import printed_text, start_program
from tests.support.servers.tcp_proxy import PLACES, Cut, TcpProxy
from tests.support.store.table_locks import TableGate

from hostaway_sync.sandbox import AccountSpec
from hostaway_sync.store.messages import ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.process import BaseProcess

    from tests.support.chaos.send_chaos import ChaosMessage
    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]

SOAK = 100
# Each is a point at which the test stops the program and then kills it.
POINTS = (
    "before the intent",
    "while the thread is read",
    "before it is marked as leaving",
    "while the request leaves",
    "before the source acts",
    "before the source answers",
    "while the answer comes",
    "before the answer is written down",
)


class Deaths:
    """Starts the program for one message after the other, and kills it at a point."""

    def __init__(self, env: SyncEnv, chance: random.Random, proxy: TcpProxy) -> None:
        self.dispatch = SendChaos(env, chance, proxy)
        self._env = env
        self._chance = chance
        self._proxy = proxy
        self._environment = env.environment(API_URL=proxy.url)

    def die(self, point: str) -> None:
        """Send one message by a program that is killed at this point, and check and continue as an operator would."""
        letter = self.dispatch.write()
        with self._held(point, letter) as reached:
            process = self._start(letter)
            reached(process)
            process.kill()
            process.join(PATIENCE)
            assert process.exitcode == -9
        self.dispatch.check()
        self.dispatch.follow(letter)

    def _start(self, letter: ChaosMessage) -> BaseProcess:
        key = ("--idempotency-key", letter.key) if letter.key else ()
        where = ("--account", str(letter.account_id))
        return start_program(
            self._environment, "send-message", str(letter.reservation_id), letter.text, *where, *key, "--yes"
        )

    @contextmanager
    def _held(self, point: str, letter: ChaosMessage) -> Iterator[Callable[[BaseProcess], None]]:
        """Stop the program at a point; return a function that waits until the program has reached it."""
        sandbox = self._env.sandbox
        with ExitStack() as stack:
            if point == "before the intent":
                connection = stack.enter_context(self._env.database.engine.connect())
                ledger.lock_messages(connection, letter.account_id)
                yield self._stands_before_lock
            elif point in ("before it is marked as leaving", "before the answer is written down"):
                gate = TableGate(self._env, THREAD if "leaving" in point else SEND, 1, "sent_messages")
                stack.callback(gate.open)
                yield gate.wait
            elif point in ("while the request leaves", "while the answer comes"):
                place = self._chance.choice(sorted(PLACES))
                barrier = stack.enter_context(Barrier(sandbox, "nothing"))

                def hold() -> None:
                    barrier.reached.set()
                    barrier.open.wait(PATIENCE)

                is_request = point == "while the request leaves"
                cut = Cut(request=place, then=hold) if is_request else Cut(answer=place, then=hold)
                self._proxy.arm(cut)
                yield lambda _process: barrier.wait()
            else:
                route = THREAD if point == "while the thread is read" else SEND
                barrier = Barrier(sandbox, route, answered=point == "before the source answers")
                stack.enter_context(barrier)
                yield lambda _process: barrier.wait()

    def _stands_before_lock(self, process: BaseProcess) -> None:
        query = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while self._env.database.transaction(lambda connection: connection.scalar(query)) == 0:
            process.join(0.02)
            assert process.exitcode is None, printed_text(self._environment)


def go_through(sync_env: Build, seed: int) -> None:
    """Kill the program once at each point, in an order of chance."""
    chance = random.Random(seed)  # noqa: S311  (a test that can be repeated)
    accounts = [AccountSpec(reservations=8), AccountSpec(id=70002, reservations=8)]
    env = sync_env(accounts=accounts, seed=seed, store=False)
    env.empty_database()
    for spec in accounts:
        env.store_account(spec.id)
    with TcpProxy(env.sandbox.url) as proxy:
        deaths = Deaths(env, chance, proxy)
        for point in chance.sample(POINTS, len(POINTS)):
            try:
                deaths.die(point)
            except BaseException as error:
                error.add_note(f"seed {seed}, {point}")
                raise
        deaths.dispatch.end()
    assert MARK not in printed_text(env.environment())
    env.sandbox.stop()


def test_kills_in_any_order_never_send_twice(sync_env: Build) -> None:
    """No message is lost: each ends as it really went, or waits for a person."""
    go_through(sync_env, random.randrange(1 << 30))  # noqa: S311  (pytest-randomly seeds it)


@pytest.mark.soak
@pytest.mark.parametrize("turn", range(SOAK))
def test_hundred_kills_never_send_twice(sync_env: Build, turn: int) -> None:
    """The same, for longer."""
    go_through(sync_env, turn)
