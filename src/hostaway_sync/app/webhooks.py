"""The webhooks of accounts: registering them at the source, and receiving their deliveries."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from hostaway_sync.observability.systemd import SystemdNotifier
from hostaway_sync.store.accounts import queries as account_queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

    from hostaway_sync.app.container import Container
    from hostaway_sync.webhooks.registration.registrar import Registrar


class Webhooks:
    """The webhooks of one mirror.

    Args:
        container: opens sources, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    @contextmanager
    def open_registrar(self, account_id: int) -> Iterator[Registrar]:
        """Open what registers, lists and checks the webhook of an account.

        Raises:
            AccountError: the account is unknown or disabled.
        """
        account_queries.get_active_account(self._database, account_id)
        with self._container.source(account_id) as source:
            yield self._container.registrar(source, account_id)

    def serve(self, listener: socket, *, with_worker: bool) -> None:
        """Store deliveries that come to `listener` until a signal comes; with a worker, work them meanwhile."""
        from hostaway_sync.app.jobs.jobs import Jobs
        from hostaway_sync.http_server.config import ServerConfig
        from hostaway_sync.http_server.run import serve_http
        from hostaway_sync.webhooks.server import PART

        self._container.require_payload_rule()
        supervisor = SystemdNotifier()
        start = (
            Jobs(self._container).start_worker(heartbeat=supervisor.register_part()) if with_worker else nullcontext()
        )
        trusted = self._container.settings.trusted_proxies
        with start as worker, self._container.receiver() as receiver:
            on_stop = worker.stop if worker else None
            serve_http(
                receiver,
                ServerConfig(PART),
                listener=listener,
                trusted_proxies=trusted,
                on_stop=on_stop,
                supervisor=supervisor,
            )
