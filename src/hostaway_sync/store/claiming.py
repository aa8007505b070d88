"""The rights that this process has claimed of all processes, on one connection for all of them.

A right is an advisory lock of a session. PostgreSQL lets one session take the same lock twice, so that two threads are
told apart here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable


class Claims:
    """What is claimed through one pool; safe to use from several threads.

    Args:
        connect: takes a connection of the pool; it is given back with the last right.
    """

    def __init__(self, connect: Callable[[], sa.Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._connection: sa.Connection | None = None
        self._held: set[str] = set()

    def take(self, right: str) -> bool:
        """Claim a right; False: somebody has it, be it another thread. It opens no transaction for long.

        Raises:
            sa.exc.SQLAlchemyError: the server went away, and with it all rights that were claimed.
        """
        with self._lock:
            if right in self._held:
                return False
            is_ours = self._asked(sa.func.pg_try_advisory_lock, right)
            if is_ours:
                self._held.add(right)
            self._end_if_unused()
            return is_ours

    def give_back(self, right: str) -> None:
        """Let others have a right."""
        with self._lock:
            self._held.discard(right)
            if self._connection is not None:
                try:
                    self._asked(sa.func.pg_advisory_unlock, right)
                except sa.exc.SQLAlchemyError:
                    return  # it went with its connection
            self._end_if_unused()

    def _asked(self, function: Callable[..., sa.ColumnElement[bool]], right: str) -> bool:
        if self._connection is None:
            self._connection = self._connect()
        try:
            answer = self._connection.scalar(sa.select(function(sa.func.hashtextextended(right, 0))))
            self._connection.commit()
        except BaseException:
            # Whatever it had is lost with it; a signal in between leaves unknown what it has.
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
            raise
        return bool(answer)

    def _end_if_unused(self) -> None:
        if self._connection is not None and not self._held:
            self._connection.close()
            self._connection = None
