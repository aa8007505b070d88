"""HashiCorp Vault for tests: an engine KV version 2 behind real HTTP, as Vault's documentation describes it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeVault(ThreadingHTTPServer):
    """One Vault with the engine `secret`; use it as a context manager, see `running_fake_vault`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.calls: Counter[str] = Counter()
        self.kept: dict[str, dict[str, Any]] = {}
        self.accepted = "hvs.of-the-test"
        self.namespaces: set[str | None] = set()
        self.refusal: tuple[str, int] | None = None
        self.swallowed = 0
        self.is_version_1 = False

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment that leads to this server."""
        return {"VAULT_ADDR": self.url, "VAULT_TOKEN": self.accepted}

    def secrets(self) -> dict[str, str]:
        """Return every secret by its name, without the prefix of the mirror and the version."""
        return {name.split("/", 2)[2].rpartition("/")[0]: data["value"] for name, data in self.kept.items()}

    @contextmanager
    def refusing(self, route: str, status: int) -> Iterator[None]:
        """Refuse a route (`POST data`), or `*` all, while the block runs."""
        self.refusal = route, status
        yield
        self.refusal = None

    def answer(self, method: str, url: str, token: str | None, body: Any) -> tuple[int, Any]:
        """Return status and document of an answer."""
        parts = urlsplit(url)
        _, version, mount, kind, name = unquote(parts.path).split("/", 4)
        route = f"{'LIST' if parts.query == 'list=true' else method} {kind}"
        self.calls[route] += 1
        if self.refusal is not None and self.refusal[0] in {route, "*"}:
            return self.refusal[1], {"errors": ["no"]}
        if token != self.accepted:
            return 403, {"errors": ["permission denied"]}
        if (version, mount) != ("v1", "secret"):
            return 404, {"errors": [f'no handler for route "{mount}/{kind}/{name}". route entry not found.']}
        return self._acted(route, name, body)

    def _acted(self, route: str, name: str, body: Any) -> tuple[int, Any]:
        found = self.kept.get(name)
        if route == "POST data":
            return self._created(name, body)
        if route == "GET data" and found:
            return 200, {"data": {"data": found, "metadata": {"version": 1}}}
        if route == "LIST metadata":
            below = {one.removeprefix(name) for one in self.kept if one.startswith(name)}
            keys = sorted({key.partition("/")[0] + ("/" if "/" in key else "") for key in below})
            return (200, {"data": {"keys": keys}}) if keys else (404, {"errors": []})
        if route in {"DELETE metadata", "DELETE data"}:
            self.kept.pop(name, None)
            return 204, None
        return 404, {"errors": []}

    def _created(self, name: str, body: Any) -> tuple[int, Any]:
        if self.is_version_1:
            self.kept[name] = body
            return 204, None
        if name in self.kept and body["options"]["cas"] == 0:
            return 400, {"errors": ["check-and-set parameter did not match the current version"]}
        self.kept[name] = body["data"]
        return 200, {"data": {"created_time": "2026-11-30T00:00:00Z", "destroyed": False, "version": 1}}


class _Request(BaseHTTPRequestHandler):
    server: FakeVault
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_DELETE(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        self.server.namespaces.add(self.headers.get("X-Vault-Namespace"))
        status, document = self.server.answer(self.command, self.path, self.headers.get("X-Vault-Token"), body)
        if self.server.swallowed:
            self.server.swallowed -= 1
            self.close_connection = True
            return
        text = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if status == 307:
            self.send_header("Location", "https://elsewhere.example/")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def running_fake_vault() -> Iterator[FakeVault]:
    """Run one while the block runs."""
    with FakeVault() as vault:
        thread = threading.Thread(target=vault.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield vault
        finally:
            vault.shutdown()
            thread.join()
