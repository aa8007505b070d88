"""Close the connections of an engine, those of threads included that still run.

A job that was given back, or a query that took too long, goes on in its thread for a while. It must neither keep a
connection of a closed database nor open one: the server has a hundred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from hostaway_sync.errors import StoreError

if TYPE_CHECKING:
    import psycopg


class PoolCloser:
    """Closes the connections of an engine for good.

    Args:
        engine: with the pool to close.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._is_closed = False
        sa.event.listen(engine, "do_connect", self._refuse)
        sa.event.listen(engine, "checkin", self._close_returned)

    def close(self) -> None:
        """Close idle connections now and the others when they are given back; opening another raises `StoreError`."""
        self._is_closed = True
        self._engine.dispose()

    def _refuse(self, *_: object) -> None:
        if self._is_closed:
            raise StoreError("the database was closed here: the program is about to end")

    def _close_returned(self, connection: psycopg.Connection[tuple[object, ...]] | None, _: object) -> None:
        if self._is_closed and connection is not None:
            connection.close()
