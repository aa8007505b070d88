"""One request to send a message: how far it came, and what that proves."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING

import pytest
from tests.support.client_env import ClientEnv, OpenBudget, client_env
from tests.support.messages import SEND, TEXT
from tests.support.servers.tcp_proxy import TcpProxy

from hostaway_sync.errors import LeaseLost, StoreUnavailable
from hostaway_sync.model.api_calls import Priority
from hostaway_sync.model.messages import CommunicationType, IntentState, OutgoingMessage
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostaway_sync.model.api_calls import Bucket, Grant
    from hostaway_sync.sandbox import Effect

FAILED, UNKNOWN = IntentState.FAILED, IntentState.OUTCOME_UNKNOWN
BRIEFLY = timedelta(seconds=0.2)


@contextmanager
def a_thread() -> Iterator[tuple[ClientEnv, OutgoingMessage]]:
    """Give a sandbox, and what is to be said in one of its threads."""
    with client_env(reservations=8) as env:
        conversation_id, payload = next(iter(env.sandbox.world.truth("conversations")))
        env.client().check_credentials()
        yield (
            env,
            OutgoingMessage(
                env.sandbox.account_id, payload["reservationId"], conversation_id, CommunicationType.CHANNEL, TEXT
            ),
        )


@pytest.mark.parametrize(
    ("effect", "is_taken"),
    [
        (faults.silence(Event()), False),
        (faults.accepted_then(faults.silence(Event())), True),
        (faults.slow(Event()), True),
        (faults.accepted_then(faults.connection_reset()), True),
    ],
    ids=["silence", "silence after it was taken", "half an answer", "a reset after it was taken"],
)
def test_without_a_whole_answer_nothing_is_known(effect: Effect, *, is_taken: bool) -> None:
    """One request, whether the source had taken it or not; the message has a limit of its own, and goes first."""
    with a_thread() as (env, message):
        env.sandbox.faults.add(effect, route=SEND)
        posted = env.client(read_timeout=BRIEFLY, urgent=True).message_api.send(message, before_send=lambda: None)
        assert (posted.state, posted.page, env.calls(SEND)) == (UNKNOWN, None, 1)
        assert env.sandbox.world.accepted == [(message.conversation_id, TEXT)] * is_taken
        assert (env.budget.reserved[-1], env.budget.priorities[-1].value) == (("send:70001",), "urgent")
        assert TEXT not in (posted.error or "")


def test_a_source_that_went_away_got_nothing() -> None:
    """Its old connection is closed, and a new one is refused: no byte left, and nobody is told that one did."""
    with a_thread() as (env, message):
        client = env.client()
        client.check_credentials()
        env.sandbox.stop()
        left: list[bool] = []
        posted = client.message_api.send(message, before_send=lambda: left.append(True))
        assert (posted.state, left) == (FAILED, [])


def test_a_host_that_nobody_knows_got_nothing() -> None:
    """A name that cannot be resolved."""
    with a_thread() as (env, message):
        posted = env.client(api_url="https://nowhere.invalid/v1").message_api.send(message, before_send=lambda: None)
        assert posted.state is FAILED


def test_whoever_must_know_is_told_before_it_leaves() -> None:
    """When they object, it stays here."""

    def object_() -> None:
        raise LeaseLost("it is somebody else's")

    with a_thread() as (env, message):
        posted = env.client().message_api.send(message, before_send=object_)
        assert (posted.state, posted.error, env.calls(SEND)) == (FAILED, "it is somebody else's", 0)


def test_a_budget_that_cannot_be_asked_keeps_it_here() -> None:
    """The database is away: nothing left."""
    with a_thread() as (env, message):

        class Away:
            def reserve(self, buckets: Sequence[Bucket], *, priority: Priority) -> Grant:
                raise StoreUnavailable(f"away: {buckets}, {priority}")

        posted = env.client(budget=Away()).message_api.send(message, before_send=lambda: None)
        assert (posted.state, env.calls(SEND)) == (FAILED, 0)


def test_a_429_is_told_to_the_budget_and_not_waited_for() -> None:
    """It failed; whoever comes next waits for the window."""
    with a_thread() as (env, message):
        env.sandbox.faults.add(faults.rate_limited(), route=SEND)
        env.clock.slept.clear()
        posted = env.client().message_api.send(message, before_send=lambda: None)
        assert (posted.state, env.calls(SEND)) == (FAILED, 1)
        assert [keys for keys, _, _ in env.budget.penalties] == [("send:70001",)]
        assert env.clock.slept == []


def test_what_leaves_once_takes_a_connection_of_its_own() -> None:
    """The source ends a connection that was kept alive at the moment a message, or a registration, leaves over it."""
    with a_thread() as (env, message), TcpProxy(env.sandbox.url, forgets=True) as proxy:
        client = env.client(api_url=proxy.url)
        client.check_credentials()
        posted = client.message_api.send(message, before_send=lambda: None)
        assert (posted.state, posted.error, env.calls(SEND)) == (IntentState.SENT, None, 1)
        client.check_credentials()
        client.webhook_api.delete(1)
        assert env.calls("DELETE /webhooks/unifiedWebhooks/{id}") == 1


def test_a_connection_that_ended_while_the_budget_kept_us_got_nothing() -> None:
    """The budget grants another moment once the connection is there, and the source hangs up until then."""
    with a_thread() as (env, message), socket.create_server(("127.0.0.1", 0)) as listener:

        class Slow(OpenBudget):
            """Grants a second moment only after the source has hung up."""

            def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
                if self.reserved:
                    listener.accept()[0].close()
                return super().reserve(buckets, priority=priority)

        jumps = iter([0.0] * 3 + [5.0] * 1000)
        client = env.client(
            budget=Slow(env.clock),
            api_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
            monotonic=lambda: next(jumps),
        )
        left: list[bool] = []
        posted = client.message_api.send(message, before_send=lambda: left.append(True))
        assert (posted.state, left) == (FAILED, [])
        assert "closed the connection before" in (posted.error or "")
