"""Detect a pooler that pools by transaction, which would mix up our sessions.

Behind a pooler, a client does not learn the server's process at log-in. A pooler pools by session if each client
meets the same process again and again, and no two clients meet the same one.
"""

from __future__ import annotations

import selectors
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import ExecStatus

from hostaway_sync.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POOLED_BY_TRANSACTION: Final = (
    "HOSTAWAY_SYNC_DATABASE_URL leads to a pooler that gives our session to others between two transactions:"
    " set it to session pooling (`pool_mode = session`) for us, or connect directly to PostgreSQL"
)
# Connections beside the first one: a pooler with several processes of its own shows two clients the same pool.
_WITNESSES: Final = 3
# A pooler that pools by session and has none left lets a witness wait, which proves nothing.
_TIMEOUT_S: Final = 2.0
_QUESTION: Final = b"SELECT pg_catalog.pg_backend_pid()"


def require_session_pooling(
    connection: psycopg.Connection[Any], another: Callable[[], psycopg.Connection[Any]]
) -> None:
    """Require that a pooler pools by session; no transaction is opened, and no setting changes.

    Args:
        connection: on which nothing was done yet.
        another: opens another connection of the same kind.

    Raises:
        ConfigurationError: the pooler gives our session to others between two transactions.
    """
    clients = [connection]
    met: list[int] = []
    with ExitStack() as stack:
        for _ in range(_WITNESSES):
            with suppress(psycopg.OperationalError):
                witness = another()
                stack.callback(witness.close)
                clients.append(witness)
            answers = [_read_process(client) for client in clients]
            found = [answer for answer in answers if answer is not None]
            if is_shared(met, found):
                raise ConfigurationError(POOLED_BY_TRANSACTION)
            if len(found) < len(clients):
                return
            met = found


def is_shared(before: Sequence[int], now: Sequence[int]) -> bool:
    """Whether two clients met the same process of the server, or a client met another one than before.

    Args:
        before: processes that the first clients met earlier.
        now: processes that all clients met now, in the same order.
    """
    return len(set(now)) < len(now) or any(old != new for old, new in zip(before, now, strict=False))


def _read_process(client: psycopg.Connection[Any]) -> int | None:
    """Return the id of the server's process that a client meets; None: the pooler gave it none in time."""
    pgconn = client.pgconn
    pgconn.send_query(_QUESTION)
    pgconn.flush()
    until = time.monotonic() + _TIMEOUT_S
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        while pgconn.is_busy():
            if not selector.select(max(0.0, until - time.monotonic())):
                return None
            try:
                pgconn.consume_input()
            except psycopg.OperationalError:
                return None
    process = None
    while (result := pgconn.get_result()) is not None:
        if result.status == ExecStatus.TUPLES_OK:
            process = int(result.get_value(0, 0) or 0)
    return process
