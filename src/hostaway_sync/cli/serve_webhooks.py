"""`hostaway-sync serve-webhooks`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror


def serve_webhooks(
    *,
    host: Annotated[str, typer.Option(help="Listen on this address; :: means all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen on this port.")] = 8080,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only store deliveries; other workers work them.")
    ] = False,
) -> None:
    """Receive Hostaway's webhooks until stopped.

    Put a proxy with TLS in front of it, and register its address with `hostaway-sync webhooks register`.
    """
    from hostaway_sync.http_server.listen_address import open_listener, parse_listen_address
    from hostaway_sync.store.postgres.pool_size import QUEUE_CONNECTIONS, RECEIVER_CONNECTIONS
    from hostaway_sync.webhooks.server import PART

    parse_listen_address(host)  # before the mirror is opened
    beside = RECEIVER_CONNECTIONS + (0 if no_worker else QUEUE_CONNECTIONS)
    with open_mirror(connections=2, beside=beside) as mirror, open_listener(host, port, part=PART) as listener:
        if sys.stderr.isatty():
            streams.print_notice(f"listening on {host}, port {listener.getsockname()[1]}; Ctrl+C stops")
        mirror.webhooks.serve(listener, with_worker=not no_worker)
