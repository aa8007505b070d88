"""What a client without credentials can make the receiver log: little, and never a traceback."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tests.support.servers.http_server import read_answer
from tests.support.servers.webhook_program import check_health, registered_webhook, serve_webhooks, write_delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sync_env import SyncEnv

    Build = Callable[..., SyncEnv]
    from tests.support.programs.program import Program
    from tests.support.servers.webhook_program import WebhookProgram

CHUNKED = b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PATHS = ("/", "/health", "/ready", "/metrics", "/webhooks/hostaway/70001/wrong", "/webhooks/70001/x", "*")
TIMES = 2
# The rest of a request after its first line, in pieces that are sent in order.
KINDS: dict[str, tuple[bytes, ...]] = {
    "a chunk of endless size": (CHUNKED + b"F" * 30 + b"\r\nx",),
    "a chunk without size": (CHUNKED + b"ZZ\r\n",),
    "a chunk that is longer than it says": (CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n",),
    "a bad chunk behind the answer": (CHUNKED + b"1\r\nx\r\n", b"ZZ\r\n"),
    "a bad trailer": (CHUNKED + b"0\r\n\0: x\r\n\r\n",),
    "two lengths": (b"Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",),
    "a length that is no number": (b"Host: x\r\nContent-Length: -1\r\n\r\n",),
    "a body that stops": (b"Host: x\r\nContent-Length: 100\r\n\r\n{",),
    "no host": (b"\r\n",),
    "a bad header": (b"Host: x\r\n\xff\0: y\r\n\r\n",),
    "another protocol": (b"Host: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\0\0\0",),
    "waits to go on": (b"Host: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",),
    "a bad request behind a good one": (b"Host: x\r\n\r\n\x16\x03\x01\x02\r\n\r\n",),
    "two good ones and a bad one": (b"Host: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nBAD\r\n\r\n",),
}


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "CONNECT"])
def test_malformed_requests_log_little_and_no_traceback(sync_env: Build, program: Program, method: str) -> None:
    """Hundreds of each kind to every path: one line a second and kind; deliveries are still accepted."""
    env = sync_env()
    with serve_webhooks(env) as receiver:
        program(env, "webhooks", "register", "70001", "--url", receiver.base)
        path = urlsplit(registered_webhook(env)["url"]).path
        began = time.monotonic()
        for first in (f"{method} {one} HTTP/1.1\r\n".encode() for one in (*PATHS, path)):
            for pieces in KINDS.values():
                for _ in range(TIMES):
                    _send(receiver, first + pieces[0], *pieces[1:])
        check_health(receiver)
        with receiver.connect() as connection:
            connection.sendall(b"".join(write_delivery(env)))
            assert read_answer(connection).status == 200
        took = time.monotonic() - began
        code, printed = receiver.end()
    assert code == 143
    assert "Traceback" not in printed
    assert "ASGI" not in printed
    assert len(printed) < 2_000 * (took + 2)


def _send(receiver: WebhookProgram, *pieces: bytes) -> None:
    """Send the pieces, each after the answer to the one before or after some time, and disconnect."""
    with receiver.connect() as connection:
        connection.settimeout(0.02)
        for piece in pieces:
            with suppress(ConnectionError):
                connection.sendall(piece)
            with suppress(ConnectionError, TimeoutError):
                connection.recv(65536)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("host", ["", "127.0.0.1:80", "http://127.0.0.1", "[::]bad", "\udcff"])
def test_host_that_is_no_address_is_a_usage_error(program: Program, host: str) -> None:
    """Before anything is opened: an empty host would listen on every address."""
    done = program(None, "serve-webhooks", "--host", host, "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"hostaway-sync: --host {host!r} is no address to listen on: write ")
    assert done.stderr.count("\n") == 1
