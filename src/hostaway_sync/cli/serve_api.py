"""`hostaway-sync serve-api`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror, read_settings


def serve_api(
    *,
    host: Annotated[str, typer.Option(help="Listen on this address; :: means all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen on this port.")] = 8081,
) -> None:
    """Answer programs over HTTP, each within its own accounts, until stopped.

    Give every program a key with `hostaway-sync api-key create`, and put a proxy with TLS in front of it.
    """
    from hostaway_sync.api.server import CONNECTIONS, PART, serve_api
    from hostaway_sync.http_server.listen_address import open_listener, parse_listen_address
    from hostaway_sync.store.postgres.pool_size import compute_pool_size

    parse_listen_address(host)  # before the mirror is opened
    settings = read_settings()
    # Two are held for as long as somebody follows changes, or a message is sent.
    compute_pool_size(settings.pool_size, CONNECTIONS, 2, "hostaway-sync serve-api")
    origins = sorted(map(str, settings.api_origins or ()))
    with (
        open_mirror(settings=settings, connections=CONNECTIONS) as mirror,
        open_listener(host, port, part=PART) as listener,
    ):
        if sys.stderr.isatty():
            streams.print_notice(f"listening on {host}, port {listener.getsockname()[1]}; Ctrl+C stops")
        serve_api(mirror, listener, trusted_proxies=settings.trusted_proxies, origins=origins)
