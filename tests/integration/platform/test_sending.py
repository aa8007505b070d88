"""One request to send a message: how far it went, and what that proves."""

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
    """Yield a sandbox, and a message for one of its threads."""
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
def test_outcome_is_unknown_without_a_whole_answer(effect: Effect, *, is_taken: bool) -> None:
    """One request, whether the source accepted it or not; messages have a limit of their own, and go first."""
    with a_thread() as (env, message):
        env.sandbox.faults.add(effect, route=SEND)
        result = env.client(read_timeout=BRIEFLY, urgent=True).message_api.send(message, before_send=lambda: None)
        assert (result.state, result.page, env.calls(SEND)) == (UNKNOWN, None, 1)
        assert env.sandbox.world.accepted == [(message.conversation_id, TEXT)] * is_taken
        assert (env.budget.reserved[-1], env.budget.priorities[-1].value) == (("send:70001",), "urgent")
        assert TEXT not in (result.error or "")


def test_message_to_an_unreachable_source_failed() -> None:
    """Its old connection is closed, and a new one is refused: no byte leaves, and `before_send` is not called."""
    with a_thread() as (env, message):
        client = env.client()
        client.check_credentials()
        env.sandbox.stop()
        left: list[bool] = []
        result = client.message_api.send(message, before_send=lambda: left.append(True))
        assert (result.state, left) == (FAILED, [])


def test_message_to_an_unknown_host_failed() -> None:
    """The name cannot be resolved."""
    with a_thread() as (env, message):
        result = env.client(api_url="https://nowhere.invalid/v1").message_api.send(message, before_send=lambda: None)
        assert result.state is FAILED


def test_before_send_can_keep_the_message_back() -> None:
    """An exception of `before_send` stops the request."""

    def refuse() -> None:
        raise LeaseLost("another process owns it")

    with a_thread() as (env, message):
        result = env.client().message_api.send(message, before_send=refuse)
        assert (result.state, result.error, env.calls(SEND)) == (FAILED, "another process owns it", 0)


def test_message_is_not_sent_without_a_budget() -> None:
    """The database is unreachable: no request left."""
    with a_thread() as (env, message):

        class Away:
            def reserve(self, buckets: Sequence[Bucket], *, priority: Priority) -> Grant:
                raise StoreUnavailable(f"away: {buckets}, {priority}")

        result = env.client(budget=Away()).message_api.send(message, before_send=lambda: None)
        assert (result.state, env.calls(SEND)) == (FAILED, 0)


def test_message_answered_429_penalizes_budget_without_waiting() -> None:
    """It failed; the next message waits for the window."""
    with a_thread() as (env, message):
        env.sandbox.faults.add(faults.rate_limited(), route=SEND)
        env.clock.slept.clear()
        result = env.client().message_api.send(message, before_send=lambda: None)
        assert (result.state, env.calls(SEND)) == (FAILED, 1)
        assert [keys for keys, _, _ in env.budget.penalties] == [("send:70001",)]
        assert env.clock.slept == []


def test_request_sent_once_uses_its_own_connection() -> None:
    """The source closes a kept connection at the moment in which a message or registration would use it."""
    with a_thread() as (env, message), TcpProxy(env.sandbox.url, forgets=True) as proxy:
        client = env.client(api_url=proxy.url)
        client.check_credentials()
        result = client.message_api.send(message, before_send=lambda: None)
        assert (result.state, result.error, env.calls(SEND)) == (IntentState.SENT, None, 1)
        client.check_credentials()
        client.webhook_api.delete(1)
        assert env.calls("DELETE /webhooks/unifiedWebhooks/{id}") == 1


def test_connection_closed_during_the_wait_sends_nothing() -> None:
    """The budget grants a later slot once the connection is open, and the source closes it meanwhile."""
    with a_thread() as (env, message), socket.create_server(("127.0.0.1", 0)) as listener:

        class Slow(OpenBudget):
            """Grants a second slot only after the source has closed the connection."""

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
        result = client.message_api.send(message, before_send=lambda: left.append(True))
        assert (result.state, left) == (FAILED, [])
        assert "closed the connection before" in (result.error or "")
