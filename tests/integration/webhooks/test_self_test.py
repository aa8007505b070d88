from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.store.webhooks.credentials import generate_credentials
from hostaway_sync.webhooks.registration.self_test import run_self_test

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = {"ok": True, "outcome": "probe", "login": True}


@contextmanager
def answering_server(status: int, content: bytes) -> Iterator[str]:
    """Return the address of a server that always sends the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815  (the server's name for it)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the server's name for it)
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/webhooks/x"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "content", "trouble"),
    [
        (200, json.dumps(GOOD).encode(), None),
        (200, json.dumps(GOOD | {"login": False}).encode(), "POST: login and password are lost on the way"),
        (200, json.dumps(GOOD | {"outcome": "stored"}).encode(), "GET: another server answers"),
        (200, b"[1]", "GET: another server answers"),
        (200, b"<html>hello</html>", "GET: another server answers"),
        (200, b"", "GET: another server answers"),
        (301, b"", "GET: the answer is 301"),
        (502, b"<html>", "GET: the answer is 502"),
        (401, json.dumps(GOOD).encode(), "GET: the answer is 401"),
    ],
)
def test_failed_self_test_gives_one_sentence(status: int, content: bytes, trouble: str | None) -> None:
    """Only the answer of our own receiver to the right login is a success."""
    with answering_server(status, content) as url:
        found = run_self_test(url, generate_credentials())
    assert found == trouble if trouble is None else str(found).startswith(trouble)


def test_unreachable_address_is_reported() -> None:
    """No server, no TLS where it is expected, and an unknown name."""
    with answering_server(200, b"") as url:
        assert "certificate" in (run_self_test(url.replace("http:", "https:"), generate_credentials()) or "")
    assert run_self_test(url, generate_credentials()) == "GET: no answer (ConnectionRefusedError)"
    assert "no answer" in (run_self_test("https://a..invalid/x", generate_credentials()) or "")
