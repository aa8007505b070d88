"""The rights that this process has claimed of all processes: renewed by one thread for as long as any is held.

Two threads are told apart here, and processes by `rights`. A connection that is cut takes no right away: only an owner
that died, or did not renew in time, has lost it. For one release each right is an advisory lock of one session besides.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.store.processes import last_release_locks, rights

if TYPE_CHECKING:
    from collections.abc import Callable

_BEATS_IN_A_LIFE: Final = 3
_NO_TABLE: Final = "42P01"

log = logging.getLogger(__name__)
T = TypeVar("T")


class HeldRights:
    """What is claimed through one pool; safe to use from several threads.

    Args:
        engine: of the pool.
        schema: where the tables are.
    """

    def __init__(self, engine: sa.Engine, schema: str) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        self._is_over = threading.Event()
        self._old = _OldClaims(engine.connect, schema)

    def claim(self, right: str, owner: str) -> bool:
        """Claim a right; False: another process has it, or another thread.

        Raises:
            sa.exc.SQLAlchemyError: the server went away; asked again with the same owner, it finds its own claim.
        """
        with self._lock:
            if right in self._held:
                return False
            if not self._claimed(right, owner):
                return False
            if not self._old.claim(right):
                self._end(right, owner)
                return False
            if not self._held:
                self._begin_to_renew()
            self._held[right] = owner
            return True

    def release(self, right: str) -> None:
        """Let others have a right; where the server is away, it ends by itself."""
        with self._lock:
            owner = self._held.pop(right)
            if not self._held:
                self._is_over.set()
            self._old.release(right)
            try:
                self._end(right, owner)
            except (sa.exc.SQLAlchemyError, HostawaySyncError) as error:
                log.info("the right %r is left to end by itself: %s", right, error)

    def _claimed(self, right: str, owner: str) -> bool:
        try:
            with self._engine.begin() as connection:
                return rights.claim_right(connection, right, owner)
        except sa.exc.ProgrammingError as error:
            if not _is_without_table(error):
                raise
            return True

    def _end(self, right: str, owner: str) -> None:
        try:
            with self._engine.begin() as connection:
                rights.release_claim(connection, right, owner)
        except sa.exc.ProgrammingError as error:
            if not _is_without_table(error):
                raise

    def _begin_to_renew(self) -> None:
        self._is_over = threading.Event()
        beat = in_current_context(lambda is_over=self._is_over: self._renew(is_over))
        threading.Thread(target=beat, name="claims", daemon=True).start()

    def _renew(self, is_over: threading.Event) -> None:
        while not is_over.wait(rights.CLAIM_LIFETIME.total_seconds() / _BEATS_IN_A_LIFE):
            with self._lock:
                held = dict(self._held)
            try:
                with self._engine.begin() as connection:
                    rights.renew_claims(connection, held)
            except (sa.exc.SQLAlchemyError, HostawaySyncError) as error:
                log.info("claimed rights could not be renewed, trying again: %s", error)


class _OldClaims:
    """The same rights as advisory locks, on one connection for all of them; see `old_locks`."""

    def __init__(self, connect: Callable[[], sa.Connection], schema: str) -> None:
        self._connect = connect
        self._schema = schema
        self._connection: sa.Connection | None = None
        self._held: set[str] = set()

    def claim(self, right: str) -> bool:
        """Keep programs of the last release from a right; False: one has it."""
        is_ours = self._asked(last_release_locks.try_acquire, right)
        if is_ours:
            self._held.add(right)
        self._end_if_unused()
        return is_ours

    def release(self, right: str) -> None:
        """Let programs of the last release have a right."""
        self._held.discard(right)
        if self._connection is not None:
            try:
                self._asked(last_release_locks.release_lock, right)
            except (sa.exc.SQLAlchemyError, HostawaySyncError):
                return  # it went with its connection
        self._end_if_unused()

    def _asked(self, ask: Callable[[sa.Connection, last_release_locks.AdvisoryLock], T], right: str) -> T:
        if self._connection is None:
            self._connection = self._connect()
        try:
            answer = ask(self._connection, last_release_locks.lock_for_right(self._schema, right))
            self._connection.commit()
        except BaseException:
            # Whatever it had is lost with it; a signal in between leaves unknown what it has.
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
            raise
        return answer

    def _end_if_unused(self) -> None:
        if self._connection is not None and not self._held:
            self._connection.close()
            self._connection = None


def _is_without_table(error: sa.exc.DBAPIError) -> bool:
    """Whether a database is yet to be migrated, such as one that a mirror is moved to: there the old locks are all."""
    return getattr(error.orig, "sqlstate", None) == _NO_TABLE
