from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, NamedTuple

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from tests.support.deliveries import eventually
from tests.support.project.pages import ROOT
from tests.support.servers.http_server import PATIENCE, running_server

from hostaway_sync.api.guards import LARGEST_BODY
from hostaway_sync.http_server.config import ServerConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

HOST = "api.example.org"
STREAM = "/api/v1/changes/stream"
PROXY = ROOT / "deploy" / "proxy"
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
NGINX, CADDY = shutil.which("nginx", path=PATH), shutil.which("caddy", path=PATH)


class Upstream:
    """Stands where the API stands: answers with the headers that came, and has a stream whose end waits."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.is_left = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["path"] == STREAM:
            await StreamingResponse(self._events(), media_type="text/event-stream")(scope, receive, send)
            return
        await Request(scope, receive).body()
        told = {name.decode(): value.decode() for name, value in scope["headers"]}
        told |= {"client": scope["client"][0], "scheme": scope["scheme"]}
        await JSONResponse(told, headers={"X-Request-ID": "id-of-the-request"})(scope, receive, send)

    async def _events(self) -> AsyncIterator[bytes]:
        try:
            yield b"data: first\n\n"
            await asyncio.to_thread(self.may_end.wait, PATIENCE)
        finally:
            self.is_left.set()


class Proxy(NamedTuple):
    """A proxy that runs."""

    port: int
    upstream: Upstream
    logs: Path
    stop_upstream: Callable[[], None]

    def connect(self) -> closing[HTTPSConnection]:
        """Open a connection, with TLS."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return closing(HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=trusting))

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        with self.connect() as connection:
            connection.request("GET", path, headers={"Host": HOST, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def logged(self) -> str:
        """Return all that the proxy logged."""
        return "".join(path.read_text(encoding="utf-8") for path in self.logs.rglob("*.log"))


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def nginx(room: Path, port: int, upstream: str) -> list[str]:
    """Write nginx's files, with our example as one of them, and return its command."""
    certificate = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{room}/{HOST}.key"]
    subject = ["-out", f"{room}/{HOST}.pem", "-subj", f"/CN={HOST}", "-days", "1"]
    openssl = shutil.which("openssl") or "openssl"
    subprocess.run([openssl, "req", "-x509", *certificate, *subject], check=True, capture_output=True)
    text = (PROXY / "nginx.conf").read_text(encoding="utf-8")
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace("127.0.0.1:8081", upstream)
    (room / "api.conf").write_text(text.replace("/etc/ssl", str(room)).replace("/var/log/nginx", f"{room}/logs"))
    user = "user root; " if os.geteuid() == 0 else ""  # as another one it could not enter this directory
    (room / "nginx.conf").write_text(
        f"{user}daemon off; pid {room}/pid; error_log {room}/logs/error.log info; worker_processes 1;\n"
        f"events {{ }} http {{ access_log off; client_body_temp_path {room}/body; proxy_temp_path {room}/proxy;\n"
        f"fastcgi_temp_path {room}/f; uwsgi_temp_path {room}/u; scgi_temp_path {room}/s; include {room}/api.conf; }}\n"
    )
    checked = subprocess.run(
        [NGINX or "", "-t", "-c", f"{room}/nginx.conf"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, "[warn]" in checked.stderr) == (0, False), checked.stderr
    return [NGINX or "", "-c", f"{room}/nginx.conf"]


def caddy(room: Path, port: int, upstream: str) -> list[str]:
    """Write Caddy's file from our example, with a certificate of its own making, and return its command."""
    text = (PROXY / "Caddyfile").read_text(encoding="utf-8")
    text = text.replace(f"\n{HOST} {{", f"\nhttps://{HOST}:{port} {{\n\ttls internal").replace(
        "127.0.0.1:8081", upstream
    )
    text = text.replace("{\n", f"{{\n\tadmin off\n\tskip_install_trust\n\tdefault_sni {HOST}\n", 1)
    (room / "Caddyfile").write_text(text.replace("/var/log/caddy", f"{room}/logs"))
    formatted = [CADDY or "", "fmt", "--diff", str(PROXY / "Caddyfile")]
    assert subprocess.run(formatted, capture_output=True, check=False).returncode == 0, "caddy fmt would change it"
    return [CADDY or "", "run", "--config", f"{room}/Caddyfile", "--adapter", "caddyfile"]


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxy]:
    """Return a proxy that runs with our example before a server."""
    program = {"nginx": NGINX, "caddy": CADDY}[request.param]
    if program is None:
        pytest.skip(f"there is no {request.param} here: install Debian's `{request.param}`")
    tmp_path.chmod(0o711)
    (tmp_path / "logs").mkdir()
    upstream = Upstream()
    port = free_port()
    with ExitStack() as server_stack:
        server = server_stack.enter_context(running_server(upstream, ServerConfig("proxy test")))
        command = {"nginx": nginx, "caddy": caddy}[request.param](tmp_path, port, server.base.partition("//")[2])
        with _running(command, tmp_path):
            running = Proxy(port, upstream, tmp_path / "logs", server_stack.close)
            eventually(lambda: _answers(running), "the proxy answers")
            yield running
            upstream.may_end.set()


@contextmanager
def _running(command: list[str], room: Path) -> Iterator[None]:
    environment = {"PATH": PATH, "HOME": str(room), "XDG_DATA_HOME": str(room), "XDG_CONFIG_HOME": str(room)}
    with (
        (room / "logs" / "output.log").open("wb") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL) as run,
    ):
        try:
            yield
        finally:
            run.terminate()


def _answers(proxy: Proxy) -> bool:
    try:
        return proxy.get("/health")[0] == 200
    except OSError:
        return False


def test_proxy_hands_on_what_the_api_needs_and_no_more(proxy: Proxy) -> None:
    """The caller's real address in place of a false one, the key, the name; and nothing that is for operators."""
    spoken = {"X-Forwarded-For": "192.0.2.9", "X-API-Key": "hsk_a_b", "Authorization": "Bearer hsk_a_b"}
    status, body = proxy.get("/api/v1/listings?limit=2", **spoken)
    told = json.loads(body)
    assert (status, told["client"], told["scheme"], told["host"]) == (200, "127.0.0.1", "https", HOST)
    assert (told["x-forwarded-for"], told["x-api-key"], told["authorization"]) == (
        "127.0.0.1",
        "hsk_a_b",
        "Bearer hsk_a_b",
    )
    assert [proxy.get(path)[0] for path in ("/ready", "/metrics", "/ready?a=b", "//metrics")] == [404] * 4


def test_proxy_takes_bodies_as_large_as_the_api_does(proxy: Proxy) -> None:
    """A byte more is refused; Caddy before 2.7 says so by 502."""
    for size, wanted in ((LARGEST_BODY, {200}), (LARGEST_BODY + 1, {413, 502})):
        with proxy.connect() as connection:
            connection.request("POST", "/api/v1/accounts", b"x" * size, {"Host": HOST})
            with connection.getresponse() as answer:
                assert answer.status in wanted


def test_events_pass_the_proxy_as_they_come(proxy: Proxy) -> None:
    """The first one arrives while the stream goes on; a reader who leaves ends it at the API."""
    with proxy.connect() as connection:
        connection.request("GET", STREAM, headers={"Host": HOST})
        with connection.getresponse() as answer:
            assert answer.readline() == b"data: first\n"
            assert not proxy.upstream.is_left.is_set()
    eventually(proxy.upstream.is_left.is_set, "the API learns that the reader left")


def test_no_proxy_logs_a_key(proxy: Proxy) -> None:
    """Neither of a request that is answered, nor of one that finds no API; nor does it log what was asked for."""
    keys = {"X-API-Key": "hsk_secret_1", "Authorization": "Bearer hsk_secret_2"}
    proxy.get("/api/v1/listings?account_id=70001", **keys)
    eventually(lambda: '/api/v1/listings"' in proxy.logged(), "the request is logged")
    proxy.stop_upstream()
    assert proxy.get("/api/v1/sync-runs", **keys)[0] == 502
    eventually(lambda: "/api/v1/sync-runs" in proxy.logged(), "the failure is logged")
    assert not any(word in proxy.logged() for word in ("hsk_secret", "70001"))
