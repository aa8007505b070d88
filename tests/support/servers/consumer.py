"""A real consumer of automations: an HTTP or HTTPS server that misbehaves as the test asks."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Heard:
    """One request as received, its headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Answer:
    """What the consumer answers.

    Attributes:
        status: of HTTP.
        headers: beside the length of the body.
        body: repeated `times` times.
        drip: sends its head byte by byte, and never ends it.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    times: int = 1
    drip: bool = False


class Consumer(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1; `answer` decides about each request."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.heard: list[Heard] = []
        self.sent_bytes = 0
        self.answer: Callable[[Heard], Answer] = lambda _: Answer()
        self.ending = threading.Event()
        self.server_names: list[str | None] = []

    @property
    def port(self) -> int:
        """The port."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The URL without TLS."""
        return f"http://127.0.0.1:{self.port}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that leave."""


class _Request(BaseHTTPRequestHandler):
    server: Consumer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        heard = Heard(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.heard.append(heard)
        answer = self.server.answer(heard)
        self.close_connection = True
        if answer.drip:
            while not self.server.ending.wait(0.02):
                self.wfile.write(b"H")
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) * answer.times))
        self.end_headers()
        for _ in range(answer.times):
            self.wfile.write(answer.body)
            self.server.sent_bytes += len(answer.body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def consuming(certificate: Path | None = None) -> Iterator[Consumer]:
    """Serve requests while the block runs; with the file of a certificate and its key by TLS."""
    with Consumer() as consumer:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.sni_callback = lambda _, name, __: consumer.server_names.append(name)
            consumer.socket = context.wrap_socket(consumer.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=consumer.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield consumer
        finally:
            consumer.ending.set()
            consumer.shutdown()
            thread.join()


def make_certificate(path: Path, host: str) -> Path:
    """Write a certificate that it signed itself, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path
