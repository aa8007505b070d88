"""Whether a pooler between us and PostgreSQL keeps a session together; asked before anything is left in one.

A pooler tells its clients of no process that the server has. It keeps sessions together if every client meets the same
process again and again, and no two clients the same one.
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
# Three beside the first one: a pooler of as many processes shows two of them the same pool.
_WITNESSES: Final = 3
# A pooler that keeps sessions together and has none left lets a witness wait, which proves nothing against it.
_PATIENCE_S: Final = 2.0
_QUESTION: Final = b"SELECT pg_catalog.pg_backend_pid()"


def require_session_pooling(
    connection: psycopg.Connection[Any], another: Callable[[], psycopg.Connection[Any]]
) -> None:
    """Make sure that a pooler keeps sessions together; no transaction is open meanwhile, and no setting changes.

    Args:
        connection: the first one, on which nothing was done yet.
        another: opens a connection of the same kind.

    Raises:
        ConfigurationError: it does not.
    """
    clients = [connection]
    met: list[int] = []
    with ExitStack() as stack:
        for _ in range(_WITNESSES):
            with suppress(psycopg.OperationalError):
                witness = another()
                stack.callback(witness.close)
                clients.append(witness)
            answers = [_process(client) for client in clients]
            found = [answer for answer in answers if answer is not None]
            if is_shared(met, found):
                raise ConfigurationError(POOLED_BY_TRANSACTION)
            if len(found) < len(clients):
                return
            met = found


def is_shared(before: Sequence[int], now: Sequence[int]) -> bool:
    """Whether clients, in one order, met processes of the server that others met, or other ones than before."""
    return len(set(now)) < len(now) or any(old != new for old, new in zip(before, now, strict=False))


def _process(client: psycopg.Connection[Any]) -> int | None:
    """Return the process of the server that a client meets; None where the pooler has none for it in time."""
    pgconn = client.pgconn
    pgconn.send_query(_QUESTION)
    pgconn.flush()
    until = time.monotonic() + _PATIENCE_S
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
