"""On which addresses a server listens, and which address of the client it sees."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.errors import UsageError
from hostaway_sync.http_server.config import ServerConfig
from hostaway_sync.http_server.connection_limits import unmap_ipv4
from hostaway_sync.http_server.listen_address import open_listener, parse_listen_address
from hostaway_sync.http_server.run import serve_http

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

needs_both = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


async def say_caller(scope: dict[str, Any], _: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Answer with the caller's address."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["client"][0].encode()})


@needs_both
@pytest.mark.parametrize("host", ["::", "[::]", "0::0", "0:0:0:0:0:0:0:0"])
def test_wildcard_address_accepts_ipv4_and_ipv6(host: str) -> None:
    """Otherwise a proxy's `127.0.0.1` would reach no server."""
    with open_listener(host, 0, part="api") as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=10).close()


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::", marks=needs_both)])
def test_no_answer_waits_for_a_caller_to_acknowledge_its_head(host: str) -> None:
    """The system would hold its body back for 40 ms."""
    with (
        open_listener(host, 0, part="api") as listener,
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=10),
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@needs_both
def test_single_address_is_the_only_one() -> None:
    """No other address of the machine answers."""
    with open_listener("::1", 0, part="api") as listener, pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=10)


@needs_both
@pytest.mark.parametrize(("address", "caller"), [("127.0.0.1", "203.0.113.9"), ("::1", "::1")])
def test_dual_stack_socket_recognizes_a_trusted_ipv4_proxy(address: str, caller: str) -> None:
    """It sees IPv4 as IPv6, which no network of the setting would match."""
    stop = threading.Event()
    with open_listener("::", 0, part="api") as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(
            target=serve_http,
            args=(say_caller, ServerConfig("api")),
            kwargs={"listener": listener, "trusted_proxies": ("127.0.0.1",), "stop": stop},
        )
        thread.start()
        try:
            connection = http.client.HTTPConnection(address, port, timeout=30)
            connection.request("GET", "/", headers={"X-Forwarded-For": "203.0.113.9"})
            assert connection.getresponse().read().decode() == caller
            connection.close()
        finally:
            stop.set()
            thread.join(30)


@pytest.mark.parametrize(
    ("written", "plain"),
    [("::ffff:10.1.2.3", "10.1.2.3"), ("10.1.2.3", "10.1.2.3"), ("fd00::1", "fd00::1"), ("socket", "socket")],
)
def test_mapped_ipv4_address_is_written_as_ipv4(written: str, plain: str) -> None:
    """On every kind of socket."""
    assert unmap_ipv4(written) == plain


WRONG = [
    "",
    " ",
    "127.0.0.1:80",
    "[::1]:80",
    "localhost:8080",
    "http://127.0.0.1",
    "//localhost",
    "[::]bad",
    "[::",
    "::]",
    "[[::]]",
    "[127.0.0.1]",
    "[localhost]",
    ":::",
    "1.2.3",
    "0",
    "256.1.1.1",
    "*",
    "a..b",
    ".local",
    "-a",
    "a" * 64,
    "a b",
    "a\nb",
    "\udcff",
    "\0",
    "höst",
    "$HOST",
]


@pytest.mark.parametrize("host", WRONG)
def test_text_that_is_no_address_is_a_usage_error(host: str) -> None:
    """Above all an empty one, which the system would take for every address."""
    with pytest.raises(UsageError, match=r"--host .* is no address to listen on: write .* --port") as caught:
        open_listener(host, 0, part="api")
    assert len(str(caught.value).splitlines()) == 1


@given(st.text(max_size=30))
def test_any_host_is_accepted_or_refused_in_a_sentence(host: str) -> None:
    """Only ASCII is accepted, and never an empty text."""
    try:
        assert parse_listen_address(host).isascii()
    except UsageError:
        return
    assert host


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "fe80::1%lo", "localhost", "my_host-1.internal.", "10.example"])
def test_addresses_and_names_are_accepted(host: str) -> None:
    """With brackets, where IPv6 has them."""
    assert parse_listen_address(host) == host.strip("[]")


@pytest.mark.parametrize(
    ("host", "shown"), [("192.0.2.1", "192.0.2.1:0"), ("no-such.invalid", "--host no-such.invalid")]
)
def test_address_that_the_system_refuses_is_named_once(host: str, shown: str) -> None:
    """The sentence leaves out Python's own form of it."""
    with pytest.raises(OSError, match=re.escape(shown)) as caught:
        open_listener(host, 0, part="api")
    assert caught.value.filename == shown
    assert "attempting" not in str(caught.value)
    assert "(" not in (caught.value.strerror or "")
