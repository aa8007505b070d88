"""A receiver over real HTTP and a real database, and a client that sends to it byte by byte."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from hostaway_sync.http_server.listen_address import open_listener
from hostaway_sync.http_server.run import serve_http
from hostaway_sync.platforms.hostaway.webhooks.events import read_event
from hostaway_sync.secrets import KeyRing
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.webhooks import credentials as webhook_credentials
from hostaway_sync.webhooks.server.runtime import ReceiverRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.redaction import Redaction
    from hostaway_sync.observability.meter import Sample
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.webhooks.credentials import Credentials

ACCOUNT = 70001
RING = KeyRing([b"m" * 32])
BASE = "https://sync.example.org"
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


class RunningReceiver:
    """One receiver."""

    def __init__(self, database: Database, host: str, port: int) -> None:
        self.database = database
        self.address = host, port

    @property
    def base(self) -> str:
        """Return its address."""
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

    def get(self, path: str) -> Answer:
        """Send a GET to a path."""
        return self.exchange(head("GET", path))

    def post(self, path: str, body: bytes, *, login: str | None = None, **headers: str) -> Answer:
        """Send a body with its length."""
        return self.exchange(head("POST", path, login=login, Content_Length=str(len(body)), **headers) + body)

    def deliver(self, credentials: Credentials, body: bytes, account_id: int = ACCOUNT, **headers: str) -> Answer:
        """Send a delivery as the source would."""
        return self.post(path_of(credentials, account_id), body, login=login_of(credentials), **headers)


@contextmanager
def running_receiver(
    database: Database, *, ring: KeyRing = RING, redaction: Redaction | None = None, container: Container | None = None
) -> Iterator[RunningReceiver]:
    """Open a receiver and close it properly; with `container` it serves its metrics, too."""
    stop = threading.Event()
    own: Callable[[Database], list[Sample]] = container.readings if container else lambda _: []
    meter = container.meter if container else None
    reception = ReceiverRuntime(database, lambda: ring, lambda: redaction, meter=meter, read_metrics=own)
    with open_listener("127.0.0.1", 0) as listener:
        receiver = reception.receiver("hostaway", read_event)
        run = partial(serve_http, receiver, listener=listener, trusted_proxies=("127.0.0.1",), stop=stop)
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield RunningReceiver(database, *listener.getsockname())
        finally:
            stop.set()
            thread.join(PATIENCE)
            reception.close()
    assert not thread.is_alive()


def store_account(database: Database, account_id: int = ACCOUNT) -> None:
    """Store an account that is not registered."""
    secret = SecretStr("sandbox-secret")
    account_changes.insert_account(database, RING, account_id, secret, None, name=None, customer_id=None)


def renew(database: Database, account_id: int = ACCOUNT) -> Credentials:
    """Return new credentials of an account, or again those that were never confirmed."""
    return database.transaction(
        partial(webhook_credentials.renew_credentials, vault=RING, account_id=account_id, url=BASE)
    )


def path_of(credentials: Credentials, account_id: int = ACCOUNT) -> str:
    """Return the path of deliveries."""
    return f"/webhooks/hostaway/{account_id}/{credentials.path_secret.get_secret_value()}"


def login_of(credentials: Credentials) -> str:
    """Return the value of Authorization."""
    pair = f"{credentials.login}:{credentials.password.get_secret_value()}"
    return f"Basic {b64encode(pair.encode()).decode()}"


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


def event(name: str = "reservation.updated", *, account_id: int = ACCOUNT, **fields: Any) -> bytes:
    """Write the body of a delivery."""
    return json.dumps(
        {"object": "x", "event": name, "accountId": account_id, "data": {"id": 41200077} | fields}
    ).encode()
