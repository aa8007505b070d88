"""The client's lists against a real HTTP server that behaves, and fails, as Hostaway does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.client_env import LISTED, START, TEN, client_env, ids_of, truth

from hostaway_sync.errors import NotFound, RateLimited, RequestRejected, SourceUnavailable
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from hostaway_sync.model.records import Source
    from hostaway_sync.sandbox import Effect, Reply, Request


def test_every_list_is_read_whole() -> None:
    """All rows unchanged, with a total and without a doubt; every request is counted."""
    with client_env() as env:
        # On a clock that stands still no slot expires, however busy the machine is: each request takes one.
        client = env.client(monotonic=env.clock.time)
        source: Source = client
        for resource in LISTED:
            expected = truth(env.sandbox, resource)
            pages = list(source.walk(resource))
            assert ids_of(pages) == expected
            assert (pages[-1].total, pages[-1].doubt) == (len(expected), None)
            assert all(page.observed_at == env.clock.now for page in pages)
            assert not [record for page in pages for record in page.records if record.misfits or record.reason]
        assert client.api_calls == len(env.sandbox.requests) == len(env.budget.reserved)
        assert set(env.budget.reserved) == {("ip:office", "account:70001")}


def test_every_thread_is_read_whole_at_the_same_time() -> None:
    """Threads of one client do not disturb each other."""
    with client_env(reservations=30) as env:
        client = env.client()
        parents = sorted(truth(env.sandbox, Resource.CONVERSATIONS))
        with ThreadPoolExecutor(8) as pool:
            threads = list(pool.map(lambda parent: list(client.walk(Resource.MESSAGES, parent=parent)), parents))
        assert {found for pages in threads for found in ids_of(pages)} == truth(env.sandbox, Resource.MESSAGES)
        assert all(pages[-1].doubt is None for pages in threads)
        assert env.calls("POST /accessTokens") == 1
        asked = next(logged for logged in env.sandbox.requests if logged.path.endswith("/messages"))
        assert (asked.query["includeScheduledMessages"], asked.query["includeResources"]) == ("1", "1")


def test_messages_are_read_from_a_parent() -> None:
    """No list holds all of them."""
    with client_env(reservations=1) as env, pytest.raises(ValueError, match="parent"):
        env.client().walk(Resource.MESSAGES)


def test_missing_parent_is_not_found() -> None:
    """The caller may skip it."""
    with client_env(reservations=1) as env, pytest.raises(NotFound):
        list(env.client().walk(Resource.MESSAGES, parent=5))


TRANSIENT = {
    "html 502": faults.bad_gateway(),
    "html 200": faults.bad_gateway(200),
    "empty body": faults.status(200),
    "torn json": faults.torn_json(),
    "torn connection": faults.torn_connection(),
    "reset connection": faults.connection_reset(),
    "200 with fail": faults.fail_with_200(),
    "null result": faults.null_result(),
}


@pytest.mark.parametrize("effect", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_temporary_failures_are_retried(effect: Effect) -> None:
    """Two bad answers in the middle of a walk cost two requests and two waits."""
    with client_env(switches=Switches(max_limit=250)) as env:
        client = env.client()
        client.check_credentials()
        env.clock.slept.clear()
        env.sandbox.faults.add(effect, route="GET /reservations", skip=1, times=2)
        pages = list(client.walk(Resource.RESERVATIONS))
        assert ids_of(pages) == truth(env.sandbox, Resource.RESERVATIONS)
        assert pages[-1].doubt is None
        assert env.calls("GET /reservations") == 4 + 2
        assert env.clock.slept == [0.5, 1.0]


@pytest.mark.parametrize("effect", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_lasting_failure_is_an_error_after_five_attempts(effect: Effect) -> None:
    """Neither an endless loop nor an empty list."""
    with client_env(reservations=3) as env:
        client = env.client()
        env.sandbox.faults.add(effect, route="GET /reservations", times=None)
        with pytest.raises(SourceUnavailable):
            list(client.walk(Resource.RESERVATIONS))
        assert env.calls("GET /reservations") == 5


def test_number_of_attempts_is_a_setting() -> None:
    """So is the first wait."""
    with client_env(reservations=3) as env:
        client = env.client(attempts=2, backoff=timedelta(seconds=8))
        client.check_credentials()
        env.clock.slept.clear()
        env.sandbox.faults.add(faults.bad_gateway(), route="GET /reservations", times=None)
        with pytest.raises(SourceUnavailable):
            list(client.walk(Resource.RESERVATIONS))
        assert env.clock.slept == [4.0]


def test_refused_request_is_not_repeated() -> None:
    """400 will stay 400."""
    with client_env(reservations=3) as env:
        env.sandbox.faults.add(faults.status(400), route="GET /reservations", times=None)
        with pytest.raises(RequestRejected):
            list(env.client().walk(Resource.RESERVATIONS))
        assert env.calls("GET /reservations") == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({"retry_at": 8.0}, 8), ({}, 10), ({"retry_at": -900.0}, 1), ({"retry_at": 900.0}, 60)],
    ids=["unix time", "no headers", "skewed into the past", "skewed into the future"],
)
def test_429_waits_for_its_window_and_is_no_attempt(headers: dict[str, Any], wait: float) -> None:
    """The request survives ten of them in a row, and each reduces the budget."""
    with client_env(reservations=3) as env:
        client = env.client()
        client.check_credentials()
        env.clock.slept.clear()
        env.clock.now = now = START + TEN

        def refuse(request: Request, reply: Reply | None) -> Reply:
            when = {name: env.clock.time() + offset for name, offset in headers.items()}
            return faults.rate_limited(**when, limit=15).make_reply(request, reply)

        env.sandbox.faults.add(faults.Effect(refuse), route="GET /reservations", times=10)
        assert len(ids_of(list(client.walk(Resource.RESERVATIONS)))) == 3
        assert env.clock.slept == [wait] * 10
        assert env.clock.now - now == timedelta(seconds=wait * 10)
        hit, limit = (("account:70001",), 15) if headers else (("ip:office", "account:70001"), None)
        assert env.budget.penalties == [(hit, timedelta(seconds=wait), limit)] * 10


def test_endless_429_is_an_error_after_ten_minutes() -> None:
    """The client waits whole windows, and no window longer."""
    with client_env(reservations=3) as env:
        client = env.client()
        client.check_credentials()
        env.clock.slept.clear()
        env.sandbox.faults.add(faults.rate_limited(), route="GET /reservations", times=None)
        with pytest.raises(RateLimited):
            list(client.walk(Resource.RESERVATIONS))
        assert sum(env.clock.slept) == 600
