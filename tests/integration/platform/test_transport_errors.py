"""Sentences that say why Hostaway is unreachable, and which proxy is on the way."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.client_env import client_env

from hostaway_sync.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

FAR = "https://api.hostaway.invalid/v1"
PASSWORD = "hunter2"  # noqa: S105  (of nobody)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's own proxies from the environment."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Return the port of a server that reads from each client, sends the same bytes to all, and disconnects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65536)
                    caller.sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@contextmanager
def refusing() -> Iterator[int]:
    """Yield a port on which no process listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def error_of(api_url: str) -> str:
    """Return the error of a client that does not reach the API."""
    with client_env(reservations=1) as env, pytest.raises(SourceUnavailable) as caught:
        env.client(api_url=api_url).check_credentials()
    return str(caught.value)


def test_each_cause_has_its_own_sentence() -> None:
    """Refused, unknown name, no TLS, broken connection: no sentence has the name of a class."""
    with ExitStack() as stack:
        silent = stack.enter_context(answering(b""))
        found = {
            "it refuses the connection": error_of(f"http://127.0.0.1:{stack.enter_context(refusing())}/v1"),
            "its name is not found by DNS": error_of(FAR),
            "TLS fails": error_of(f"https://127.0.0.1:{stack.enter_context(answering(b'no TLS at all'))}/v1"),
            "it was closed before a whole answer came": error_of(f"http://127.0.0.1:{silent}/v1"),
        }
    for words, sentence in found.items():
        assert words in sentence
        assert "Error" not in sentence


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_failing_proxy_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """It refuses, has no name, or answers wrongly: its password is never shown."""

    def through(host: str, port: int) -> str:
        monkeypatch.setenv(variable, f"http://u:{PASSWORD}@{host}:{port}")
        sentence = error_of(FAR)
        assert f"that {variable} names" in sentence
        assert PASSWORD not in sentence
        assert "Error" not in sentence
        return sentence

    with refusing() as port:
        assert "names cannot be reached: it refuses the connection" in through("127.0.0.1", port)
    assert "names cannot be reached: its name is not found" in through("proxy.invalid", 3128)
    for answer, words in {
        b"HTTP/1.1 501 Unsupported method ('CONNECT')\r\n\r\n": "no request through: it answers 501 Not Implemented",
        b"HTTP/1.1 407 Ida Berg\r\n\r\n": "it answers 407 Proxy Authentication Required: check the user",
        b"HTTP/1.1 200 OK\r\n\r\nno TLS at all": "TLS fails",
        b"": "broke: it was closed before",
    }.items():
        with answering(answer) as port:
            assert words in through("127.0.0.1", port)
