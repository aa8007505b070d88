"""The client's connections: silent, endless, closed, late or unreachable ones."""

from __future__ import annotations

import gzip
import logging
import socket
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.client_env import OpenBudget, client_env, ids_of, truth

from hostaway_sync.errors import SourceError, SourceUnavailable
from hostaway_sync.model.api_calls import Grant, Priority
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.http import transport as module
from hostaway_sync.platforms.hostaway.http.transport import HTTPX_ERRORS
from hostaway_sync.platforms.hostaway.http.transport_errors import as_source_error
from hostaway_sync.sandbox import Switches
from hostaway_sync.sandbox.server import faults
from hostaway_sync.sandbox.server.request import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hostaway_sync.model.api_calls import Bucket


def test_silent_server_runs_into_the_timeout() -> None:
    """A request without an answer ends by its timeout and is sent again."""
    with client_env(reservations=3) as env:
        client = env.client(read_timeout=timedelta(seconds=0.2))
        client.check_credentials()
        env.sandbox.faults.add(faults.silence(Event()), route="GET /reservations", times=1)
        env.sandbox.faults.add(faults.slow(Event()), route="GET /reservations", times=1)
        assert len(ids_of(list(client.walk(Resource.RESERVATIONS)))) == 3


def test_endless_body_is_given_up() -> None:
    """Also where it arrives steadily."""
    with client_env(reservations=3) as env:
        late: list[float] = []
        client = env.client(monotonic=lambda: sum(late), attempts=1)
        client.check_credentials()
        env.sandbox.after_request(lambda *_: late.append(1e6))
        with pytest.raises(SourceUnavailable, match="took longer than 300 s"):
            list(client.walk(Resource.RESERVATIONS))


def test_too_large_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it fills the memory."""
    with client_env() as env:
        monkeypatch.setattr(module, "LARGEST_BODY", 10_000)
        with pytest.raises(SourceUnavailable, match="larger than"):
            list(env.client().walk(Resource.RESERVATIONS))


def _gzip_of_zeros(size: int, *, times: int) -> bytes:
    body = b"0" * size
    for _ in range(times):
        body = gzip.compress(body)
    return body


@pytest.mark.parametrize(
    ("encoding", "times", "sentence"),
    [
        ("gzip", 1, "larger than"),
        ("deflate", 1, "larger than"),
        ("gzip, gzip", 2, "not asked for"),
        ("gzip,gzip,gzip", 3, "not asked for"),
        ("deflate, gzip", 2, "not asked for"),
        ("br", 1, "not asked for"),
        ("zstd", 1, "not asked for"),
        ("GZIP , identity", 1, "larger than"),
    ],
)
def test_compressed_answer_never_fills_the_memory(encoding: str, times: int, sentence: str) -> None:
    """100 MB compressed to 100 KB, or to less than 1 KB by compressing twice."""
    with client_env(reservations=1) as env:
        client = env.client(attempts=1)
        client.check_credentials()
        bomb = faults.status(200, _gzip_of_zeros(100_000_000, times=times), headers={"Content-Encoding": encoding})
        env.sandbox.faults.add(bomb, route="GET /reservations")
        tracemalloc.start()
        try:
            with pytest.raises(SourceUnavailable, match=sentence):
                list(client.walk(Resource.RESERVATIONS))
            assert tracemalloc.get_traced_memory()[1] < 1.2 * module.LARGEST_BODY
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_answers_that_are_compressed_once_are_read(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """Proxies compress and decompress as they like."""
    with client_env(reservations=3) as env:
        client = env.client()
        client.check_credentials()
        effect = faults.Effect(
            lambda _, reply: (
                replace(reply, body=pack(reply.body), headers={"Content-Encoding": encoding}) if reply else Reply()
            ),
            runs_route=True,
        )
        env.sandbox.faults.add(effect, route="GET /reservations", times=None)
        assert len(ids_of(list(client.walk(Resource.RESERVATIONS)))) == 3


@pytest.mark.parametrize("change", [lambda body: body[:-12], lambda body: body[:10], lambda _: b"no gzip at all"])
def test_incomplete_gzip_is_asked_for_again(change: Callable[[bytes], bytes]) -> None:
    """Half of an answer is no answer."""
    with client_env(reservations=3) as env:
        client = env.client()
        client.check_credentials()
        effect = faults.Effect(
            lambda _, reply: replace(
                reply or Reply(),
                body=change(gzip.compress(reply.body if reply else b"")),
                headers={"Content-Encoding": "gzip"},
            ),
            runs_route=True,
        )
        env.sandbox.faults.add(effect, route="GET /reservations", times=1)
        assert len(ids_of(list(client.walk(Resource.RESERVATIONS)))) == 3


def test_closing_ends_a_request_that_waits_for_its_answer() -> None:
    """From another thread, before any timeout."""
    with client_env(reservations=3) as env:
        client = env.client()
        client.check_credentials()
        arrived = Event()
        env.sandbox.on_request(lambda _: arrived.set())
        env.sandbox.faults.add(faults.silence(Event()), times=None)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(list, client.walk(Resource.RESERVATIONS))
            assert arrived.wait(30)
            client.close()
            with pytest.raises(SourceError, match="was closed"):
                reading.result(30)


def test_closing_ends_the_wait_for_a_slot() -> None:
    """A closed client waits for no slot of the budget."""
    with client_env(reservations=3) as env:
        asked = Event()

        class Far(OpenBudget):
            def reserve(self, buckets: Sequence[Bucket], *, priority: Priority = Priority.NORMAL) -> Grant:
                asked.set()
                return Grant(super().reserve(buckets, priority=priority).granted_at, timedelta(hours=1))

        client = env.client(budget=Far(env.clock), sleep=None)
        with ThreadPoolExecutor(1) as pool:
            checking = pool.submit(client.check_credentials)
            assert asked.wait(30)
            client.close()
            with pytest.raises(SourceError, match="was closed"):
                checking.result(30)
        assert client.api_calls == 0


def test_late_request_takes_another_slot() -> None:
    """`observed_at` of the page is the moment of the last slot."""
    with client_env(reservations=3) as env:
        jumps = iter([0.0] * 3 + [5.0] * 1000)
        client = env.client(monotonic=lambda: next(jumps))
        client.check_credentials()
        assert env.budget.reserved.count(("ip:office", "account:70001")) == client.api_calls + 1


def test_unreachable_api_is_one_clear_sentence() -> None:
    """A refused connection may be temporary; an address that is none is not."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with client_env(reservations=1) as env:
            with pytest.raises(SourceUnavailable, match="cannot be reached at http://127"):
                env.client(api_url=closed).check_credentials()
            for address in ("ftp://127.0.0.1/v1", "http://127.0.0.1:x", "127.0.0.1/v1"):
                with pytest.raises(SourceError, match="check the API's address"):
                    env.client(api_url=address).check_credentials()
            assert env.client().api_calls == 0


def test_every_exception_of_httpx_becomes_a_source_error() -> None:
    """None leaves the client, and none shows the request."""
    request = httpx.Request("GET", "http://127.0.0.1", headers={"Authorization": "Bearer hunter2"})
    made = {
        httpx.HTTPStatusError: lambda: httpx.HTTPStatusError("", request=request, response=httpx.Response(500)),
        httpx.StreamConsumed: httpx.StreamConsumed,
        httpx.StreamClosed: httpx.StreamClosed,
        httpx.ResponseNotRead: httpx.ResponseNotRead,
        httpx.RequestNotRead: httpx.RequestNotRead,
    }
    kinds = [kind for kind in vars(httpx).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 20
    for kind in kinds:
        error = made.get(kind, lambda kind=kind: kind("why"))()
        assert isinstance(error, HTTPX_ERRORS)
        meant = as_source_error(error, "http://127.0.0.1")
        assert isinstance(meant, SourceError)
        assert "hunter2" not in str(meant)


def test_secrets_are_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, with renewals and failures."""
    caplog.set_level(logging.DEBUG)
    with client_env(reservations=3) as env:
        client = env.client()
        client.check_credentials()
        first = env.vault.token
        env.sandbox.revoke_tokens()
        env.sandbox.faults.add(faults.bad_gateway(), times=1)
        list(client.walk(Resource.RESERVATIONS))
        assert "GET /reservations: 200" in caplog.text
        for token in (first, env.vault.token):
            assert token is not None
            assert token.value.get_secret_value() not in caplog.text
        assert env.sandbox.client_secret not in caplog.text


def test_unusable_rows_do_not_spoil_their_page() -> None:
    """They become records without an id, with their bytes; a lone surrogate is cleaned."""
    with client_env(reservations=20) as env:
        world = env.sandbox.world
        odd = max(truth(env.sandbox, Resource.RESERVATIONS))
        world.corrupt("reservations", odd, b'{"id":%d,"comment":"\\ud83d"}' % odd)
        world.append_raw("reservations", b'{"id":"none"}')
        pages = list(env.client().walk(Resource.RESERVATIONS))
        records = {record.id: record for page in pages for record in page.records}
        assert len(records) == 21
        assert records[None].exact == b'{"id":"none"}'
        assert records[odd].reason == "lone surrogate"


def test_walk_may_be_left_in_the_middle() -> None:
    """Pages that were fetched ahead are dropped."""
    with client_env(listings=400, reservations=1) as env:
        walk = env.client().walk(Resource.LISTINGS)
        next(walk)
        walk.close()  # type: ignore[attr-defined]  # a generator has this method
        assert env.calls("GET /listings") <= 5


def test_pages_ahead_are_not_asked_for_twice() -> None:
    """A list without changes takes as many requests as it has pages."""
    with client_env(listings=400, reservations=1, switches=Switches(max_limit=20)) as env:
        pages = list(env.client().walk(Resource.LISTINGS))
        assert len(ids_of(pages)) == 400
        assert env.calls("GET /listings") == 1 + -(-380 // 17)
