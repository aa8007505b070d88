"""`hostaway-sync serve-webhooks`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hostaway_sync.cli.process import streams
from hostaway_sync.cli.process.open_app import open_mirror


def serve_webhooks(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; :: is all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8080,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only take deliveries; workers elsewhere work them.")
    ] = False,
) -> None:
    """Take Hostaway's webhooks until stopped.

    Put a proxy with TLS before it, and tell Hostaway with `hostaway-sync webhooks register`.
    """
    from hostaway_sync.webhooks.server.listen_address import open_listener, parse_listen_address

    parse_listen_address(host)  # before anything is opened for nothing
    with open_mirror(connections=2) as mirror, open_listener(host, port) as listener:
        if sys.stderr.isatty():
            streams.say(f"listening on {host}, port {listener.getsockname()[1]}; Ctrl+C stops")
        mirror.webhooks.serve(listener, with_worker=not no_worker)
