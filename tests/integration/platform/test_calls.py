"""What the client reports of its requests: each once, with its outcome and the reason for it."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from threading import get_ident
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.client_env import START, ClientEnv, client_env, truth

from hostaway_sync.errors import Forbidden, NotFound, SourceUnavailable
from hostaway_sync.model.records import Resource
from hostaway_sync.sandbox import AccountSpec, Switches
from hostaway_sync.sandbox.server import faults

if TYPE_CHECKING:
    from hostaway_sync.model.api_calls import ApiCall
    from hostaway_sync.platforms.hostaway.client import Client

WHY = "because a test wants it"


class Watcher:
    """Records every request that is reported, and the thread that reported it."""

    def __init__(self) -> None:
        self.calls: list[ApiCall] = []
        self.threads: set[int] = set()

    def __call__(self, call: ApiCall) -> None:
        """Record one."""
        self.calls.append(call)
        self.threads.add(get_ident())

    @property
    def outcomes(self) -> list[tuple[int | None, str]]:
        """Return status and step of each."""
        return [(call.status, call.step) for call in self.calls]


def watched(env: ClientEnv, **options: Any) -> tuple[Client, Watcher]:
    """Return a client that has a token and reports to this observer from now on."""
    env.client().check_credentials()
    env.sandbox.forget()
    watcher = Watcher()
    return env.client(observe=watcher, **options), watcher


def test_every_request_is_reported_once() -> None:
    """From whichever thread it was sent, with what the server received."""
    with client_env(reservations=60) as env:
        watcher = Watcher()
        client = env.client(observe=watcher)
        parents = sorted(truth(env.sandbox, Resource.CONVERSATIONS))
        list(client.walk(Resource.LISTINGS, why=WHY))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda parent: list(client.walk(Resource.MESSAGES, parent=parent, why=WHY)), parents))
        seen = Counter(logged.path.removeprefix("/v1") for logged in env.sandbox.requests)
        assert Counter(call.path for call in watcher.calls) == seen
        assert len(watcher.calls) == client.api_calls
        assert len(watcher.threads) > 1
        assert {call.status for call in watcher.calls} == {200}
        assert {call.why for call in watcher.calls} == {WHY, "token: none is stored"}
        assert {call.granted_at for call in watcher.calls} <= {START, env.clock.now}
        assert all(call.duration_s >= 0 and call.waited_s >= 0 and call.attempt == 1 for call in watcher.calls)


def test_pages_have_different_steps() -> None:
    """By cursor and by offset, with the parameters that the server received."""
    with client_env(listings=50, switches=Switches(max_limit=20)) as env:
        client, watcher = watched(env, pages_in_flight=1)
        list(client.walk(Resource.LISTINGS, why=WHY))
        assert [call.step for call in watcher.calls] == ["", "page 2", "page 3"]
        assert [call.params["offset"] for call in watcher.calls] == [0, 17, 34]
        watcher.calls.clear()
        list(client.walk(Resource.RESERVATIONS, why=WHY))
        steps = [call.step for call in watcher.calls]
        assert steps[:3] == ["", "page 2", "page 3"]
        assert "again from the top" in steps
        assert [call.params.get("afterId") is None for call in watcher.calls[:3]] == [True, False, False]


def test_attempts_name_the_failure_before_them() -> None:
    """A bad gateway, a torn connection, an unusable answer, and too many requests."""
    with client_env(reservations=3) as env:
        client, watcher = watched(env)
        for effect in (faults.bad_gateway(), faults.torn_connection(), faults.fail_with_200(), faults.rate_limited()):
            env.sandbox.faults.add(effect, route="GET /reservations", times=1)
        list(client.walk(Resource.RESERVATIONS, why=WHY))
        assert watcher.outcomes == [
            (502, ""),
            (None, "attempt 2 after 502"),
            (200, "attempt 3 after no whole answer"),
            (429, "attempt 4 after a useless 200"),
            (200, "attempt 5 after 429"),
        ]
        assert [call.attempt for call in watcher.calls] == [1, 2, 3, 4, 5]
        assert len(watcher.calls) == client.api_calls == env.calls("GET /reservations")


def test_request_that_fails_for_good_is_reported() -> None:
    """Whether it was refused or never answered."""
    with client_env(reservations=3) as env:
        client, watcher = watched(env, attempts=2)
        with pytest.raises(NotFound):
            client.get(Resource.LISTINGS, 5, why=WHY)
        env.sandbox.faults.add(faults.connection_reset(), route="GET /reservations", times=None)
        with pytest.raises(SourceUnavailable):
            list(client.walk(Resource.RESERVATIONS, why=WHY))
        assert [(call.path, call.status) for call in watcher.calls] == [
            ("/listings/5", 404),
            ("/reservations", None),
            ("/reservations", None),
        ]


def test_request_that_was_never_sent_is_not_reported() -> None:
    """It is not counted, either."""
    with client_env(reservations=1) as env:
        watcher = Watcher()
        client = env.client(api_url="http://127.0.0.1:1/v1", observe=watcher)
        with pytest.raises(SourceUnavailable):
            client.check_credentials()
        assert (watcher.calls, client.api_calls) == ([], 0)


def test_renewed_token_is_explained() -> None:
    """The refusal, the new token, and the repeated request."""
    with client_env(reservations=3) as env:
        client, watcher = watched(env)
        env.sandbox.revoke_tokens()
        list(client.walk(Resource.RESERVATIONS, why=WHY))
        assert [(call.method, call.why, call.step) for call in watcher.calls] == [
            ("GET", WHY, ""),
            ("POST", "token: it was refused, and is renewed once", ""),
            ("GET", WHY, "with a renewed token"),
        ]


def test_token_check_is_explained_to_the_observer() -> None:
    """The check follows when a new token was refused, too."""
    with client_env(accounts=[AccountSpec(reservations=3, inbox="closed")]) as env:
        client, watcher = watched(env)
        with pytest.raises(Forbidden):
            list(client.walk(Resource.CONVERSATIONS, why=WHY))
        last = watcher.calls[-1]
        assert (last.path, last.why) == ("/listings", "token: is it good for anything? /conversations was refused")
        assert len(watcher.calls) == client.api_calls == 4


def test_reports_hold_no_secret() -> None:
    """Neither secret nor token, in any field or in the representation."""
    with client_env(reservations=3) as env:
        watcher = Watcher()
        client = env.client(observe=watcher)
        list(client.walk(Resource.LISTINGS, why=WHY))
        first = env.vault.token
        env.sandbox.revoke_tokens()
        list(client.walk(Resource.RESERVATIONS, why=WHY))
        second = env.vault.token
        assert first is not None
        assert second is not None
        reported = repr(watcher.calls) + json.dumps([asdict(call) for call in watcher.calls], default=str)
        secrets = [env.sandbox.client_secret, first.value.get_secret_value(), second.value.get_secret_value()]
        assert not [secret for secret in [*secrets, "Bearer", "client_id"] if secret in reported]
        assert "/accessTokens" in reported
