"""The API of a mirror over real HTTP, and clients with keys."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import httpx
from tests.support.servers.http_server import PATIENCE, running_server

from hostaway_sync.api.server import PART, build_api, open_alerts
from hostaway_sync.app.api_keys import ApiKeyRequest
from hostaway_sync.http_server.config import ServerConfig
from hostaway_sync.model.callers import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from starlette.types import ASGIApp, Message, Receive, Send
    from starlette.types import Scope as AsgiScope
    from tests.support.servers.http_server import RunningServer

    from hostaway_sync.api.changes.alerts import ChangeAlerts
    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.callers import Access


class RunningApi:
    """The API of one mirror.

    Args:
        mirror: answers.
        server: that answers.
        alerts: wakes requests that wait for changes.
    """

    def __init__(self, mirror: Mirror, server: RunningServer, alerts: ChangeAlerts) -> None:
        self.mirror = mirror
        self.base = server.base
        self.connect = server.connect
        self.alerts = alerts

    def issue_key(self, name: str, access: Access, scopes: Iterable[Scope] = (Scope.READ,)) -> str:
        """Make a key, and return what its caller sends."""
        request = ApiKeyRequest(name, access, frozenset(scopes))
        return self.mirror.api_keys.create(request, datetime.now(UTC)).token.get_secret_value()

    def revoke(self, name: str) -> None:
        """Make a key invalid."""
        self.mirror.api_keys.revoke(name, datetime.now(UTC))

    @contextmanager
    def client(self, key: str | None) -> Iterator[httpx.Client]:
        """Open a client that sends a key; None: it sends none."""
        headers = {} if key is None else {"X-API-Key": key}
        with httpx.Client(base_url=self.base, headers=headers, timeout=PATIENCE) as client:
            yield client


class Callers(NamedTuple):
    """The API over the rows of accounts 1 and 2, whose texts end with `of-1` and `of-2`, and who asks it."""

    api: RunningApi
    of_one: httpx.Client
    of_two: httpx.Client
    of_both: httpx.Client
    stranger: httpx.Client


class EndedStreams:
    """An application whose streams end as soon as they have begun, as if their readers had left.

    Args:
        app: streams.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = asyncio.Event()

        async def send_on(message: Message) -> None:
            if b"text/event-stream" in dict(message.get("headers", ())).get(b"content-type", b""):
                begun.set()
            await send(message)

        async def receive_on() -> Message:
            waiting = [asyncio.ensure_future(receive()), asyncio.ensure_future(begun.wait())]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            received, _ = waiting
            message = received.result() if received.done() else {"type": "http.disconnect"}
            for task in waiting:
                task.cancel()
            return message  # type: ignore[return-value]

        await self._app(scope, receive_on, send_on)


@contextmanager
def running_api(
    mirror: Mirror, around: Callable[[ASGIApp], ASGIApp] = lambda app: app, *, origins: Sequence[str] = ()
) -> Iterator[RunningApi]:
    """Serve the API of a mirror, and what is around it."""
    alerts = open_alerts(mirror)
    app = around(build_api(mirror, alerts, origins=origins))
    with running_server(app, ServerConfig(PART), on_stop=alerts.stop) as server:
        yield RunningApi(mirror, server, alerts)
