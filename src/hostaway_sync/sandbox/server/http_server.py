"""HTTP/1.1 with keep-alive on the loopback address; breaks its own rules only where a `Reply` says so."""

from __future__ import annotations

import logging
import socket
import struct
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Condition
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from hostaway_sync.sandbox.server.request import MISSING, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

log = logging.getLogger(__name__)
PREFIX = "/v1"
_NOT_OURS = Reply(404, b'{"status":"fail","message":"' + MISSING.encode() + b'"}')
_LONGEST_BODY = 1 << 20
_LOOK_EVERY_S = 0.05
_PATIENCE_S = 10


class Server(ThreadingHTTPServer):
    """Passes requests to `answer` and tracks its connections, so that a stop is quick and leaves none open."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, answer: Callable[[Request], Reply], closing: Event) -> None:
        self.answer = answer
        self.closing = closing
        self._connections: set[socket.socket] = set()
        self._gone = Condition()
        super().__init__(("127.0.0.1", port), _Connection)

    def server_bind(self) -> None:
        """Bind without a query for the name of this machine."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (whatever the API takes)
        """Track a connection and start its thread."""
        with self._gone:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  (whatever the API takes)
        """Close a connection and stop tracking it."""
        super().shutdown_request(request)
        with self._gone:
            self._connections.discard(request)
            self._gone.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  (the server's signature)
        """Log the error of one connection; the others go on."""
        log.debug("connection ended: %r", sys.exception())

    def close_everything(self) -> None:
        """Close the port, end open connections and wait until the last one is closed."""
        self.server_close()
        with self._gone:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._gone.wait_for(lambda: not self._connections, _PATIENCE_S)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    server: Server

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        size = min(int(self.headers.get("Content-Length") or 0), _LONGEST_BODY)
        body = self.rfile.read(size) if size else b""
        if not path.startswith(PREFIX + "/"):
            self._send(_NOT_OURS)
            return
        pairs = tuple(parse_qsl(query, keep_blank_values=True))
        request = Request(
            time=0.0,
            method=self.command,
            path=path.removeprefix(PREFIX),
            query=dict(pairs),
            pairs=pairs,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            client=str(self.client_address[0]),
        )
        self._send(self.server.answer(request))

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - named by the standard library

    def _send(self, reply: Reply) -> None:
        if reply.reset:
            self._reset()
        elif reply.silent:
            self._wait(reply.gate)
            self.close_connection = True
        else:
            self._send_whole(reply)

    def _send_whole(self, reply: Reply) -> None:
        head = self._head(reply)
        if reply.gate is not None:
            half = len(reply.body) // 2
            self.wfile.write(head + reply.body[:half])
            self._wait(reply.gate)
            self.wfile.write(reply.body[half:])
        elif reply.keep is not None:
            self.wfile.write(head + reply.body[: reply.keep])
            self.close_connection = True
        else:
            self.wfile.write(head + reply.body)

    def _head(self, reply: Reply) -> bytes:
        headers = {"Server": "sandbox", "Content-Type": reply.content_type, "Content-Length": str(len(reply.body))}
        headers |= reply.headers
        lines = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('',))[0]}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _wait(self, gate: Event | None) -> None:
        while gate is not None and not gate.wait(_LOOK_EVERY_S) and not self.server.closing.is_set():
            pass

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the standard library
        log.debug(format, *args)
