"""An application over real HTTP, and a client that sends to it byte by byte."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from hostaway_sync.http_server.listen_address import open_listener
from hostaway_sync.http_server.run import serve_http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from hostaway_sync.http_server.config import ServerConfig

PATIENCE = 30


@dataclass(frozen=True)
class Answer:
    """An answer: status, headers in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class RunningServer:
    """One server; `address` is its host and port."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    @property
    def base(self) -> str:
        """Return its URL."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(self.address, timeout=PATIENCE)

    def exchange(self, *pieces: bytes) -> Answer:
        """Send bytes unchanged and return the answer."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read_answer(connection)

    def get(self, path: str, **headers: str) -> Answer:
        """Send a GET to a path."""
        return self.exchange(head("GET", path, **headers))

    def post(self, path: str, body: bytes, *, login: str | None = None, **headers: str) -> Answer:
        """Send a body with its length."""
        return self.exchange(head("POST", path, login=login, Content_Length=str(len(body)), **headers) + body)


@contextmanager
def running_server(
    app: ASGIApp, config: ServerConfig, *, on_stop: Callable[[], None] | None = None
) -> Iterator[RunningServer]:
    """Serve an application on a free port, and stop it properly."""
    stop = threading.Event()
    with open_listener("127.0.0.1", 0, part=config.part) as listener:
        run = partial(
            serve_http, app, config, listener=listener, trusted_proxies=("127.0.0.1",), on_stop=on_stop, stop=stop
        )
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield RunningServer(listener.getsockname())
        finally:
            stop.set()
            thread.join(PATIENCE)
    assert not thread.is_alive()


def head(method: str, path: str, *, login: str | None = None, **headers: str) -> bytes:
    """Write the head of a request; a keyword such as `Content_Length` is a header."""
    lines = [f"{method} {path} HTTP/1.1", "Host: sync.example.org"]
    lines += [f"Authorization: {login}"] if login is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer; an empty one with status 0 where the other side disconnected."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return Answer(0, {}, received)
        received += piece
    top, _, body = received.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Answer(int(first.split()[1]), headers, body)
