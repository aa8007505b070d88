"""The end of an engine's connections, for threads as well that nobody waits for.

A job that was given back, or a question that took too long, goes on in its thread for a while. What it then does to a
database that was closed must neither keep a connection nor open one: a server has a hundred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.errors import StoreError

if TYPE_CHECKING:
    import psycopg


class PoolCloser:
    """Ends the connections of an engine.

    Args:
        engine: whose they are.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._is_shut = False
        sa.event.listen(engine, "do_connect", self._refuse)
        sa.event.listen(engine, "checkin", self._end)

    def close(self) -> None:
        """Close what nobody uses, and what is in use when it is given back; whoever wants another gets `StoreError`."""
        self._is_shut = True
        self._engine.dispose()

    def _refuse(self, *_: object) -> None:
        if self._is_shut:
            raise StoreError("the database was closed here: the program is about to end")

    def _end(self, connection: psycopg.Connection[tuple[object, ...]] | None, _: object) -> None:
        if self._is_shut and connection is not None:
            connection.close()
