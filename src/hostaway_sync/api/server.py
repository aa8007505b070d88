"""Serve the API of one mirror until a signal comes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hostaway_sync.api.app import create_app
from hostaway_sync.api.changes.alerts import ChangeAlerts
from hostaway_sync.http_server.config import ServerConfig
from hostaway_sync.http_server.request_id import assign_request_ids
from hostaway_sync.http_server.run import serve_http
from hostaway_sync.observability.systemd import SystemdNotifier

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from socket import socket

    from starlette.types import ASGIApp

    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.callers import Caller

PART: Final = "api"
CONNECTIONS: Final = 8
_DOTS_OF_A_TOKEN: Final = 2
_MOST_CONNECTIONS: Final = 1200


def open_alerts(mirror: Mirror) -> ChangeAlerts:
    """Return what wakes requests that wait for changes; it must be stopped."""
    return ChangeAlerts(mirror.history.watch, mirror.api_keys.list_revoked)


def build_api(mirror: Mirror, alerts: ChangeAlerts, *, origins: Sequence[str] = ()) -> ASGIApp:
    """Return the application of a mirror."""
    tokens = mirror.api_tokens  # what is wrong with the settings is told at the start

    def authenticate(token: str) -> Caller | None:
        if tokens is not None and token.count(".") == _DOTS_OF_A_TOKEN:
            return tokens.authenticate(token, datetime.now(UTC))
        return mirror.api_keys.authenticate(token, datetime.now(UTC))

    return assign_request_ids(create_app(mirror, authenticate, alerts, origins=origins))


def serve_api(
    mirror: Mirror,
    listener: socket,
    *,
    trusted_proxies: Sequence[str],
    origins: Sequence[str] = (),
    stop: threading.Event | None = None,
) -> None:
    """Answer requests that come to `listener` until a signal comes, or `stop` is set."""
    alerts = open_alerts(mirror)
    serve_http(
        build_api(mirror, alerts, origins=origins),
        ServerConfig(PART, most_connections=_MOST_CONNECTIONS),
        listener=listener,
        trusted_proxies=trusted_proxies,
        on_stop=alerts.stop,
        stop=stop,
        supervisor=SystemdNotifier(),
    )
