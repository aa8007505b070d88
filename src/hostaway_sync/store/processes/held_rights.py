"""The rights that this process has claimed, renewed by one thread while any is held.

This module excludes threads from each other; `rights` excludes processes. A lost connection ends no right: it ends
when its owner dies or does not renew it in time. For one release each right is an advisory lock, too.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa

from hostaway_sync.errors import HostawaySyncError, StoreUnavailable
from hostaway_sync.observability.log_context import in_current_context
from hostaway_sync.store.processes import last_release_locks, rights

if TYPE_CHECKING:
    from collections.abc import Callable

_RENEWALS_PER_LIFETIME: Final = 3
_NO_TABLE: Final = "42P01"

log = logging.getLogger(__name__)
T = TypeVar("T")


class HeldRights:
    """The rights claimed through one connection pool; safe to use from several threads.

    Args:
        engine: with the pool.
        schema: of the tables.
    """

    def __init__(self, engine: sa.Engine, schema: str) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        self._stop_renewing = threading.Event()
        self._advisory_locks = _AdvisoryLocks(engine.connect, schema)

    def claim(self, right: str, owner: str) -> bool:
        """Claim a right; False: another process or thread holds it.

        Raises:
            sa.exc.SQLAlchemyError: the server went away. A repetition with the same owner finds its own claim.
        """
        with self._lock:
            if right in self._held:
                return False
            if not self._insert_claim(right, owner):
                return False
            if not self._advisory_locks.claim(right):
                self._delete_claim(right, owner)
                return False
            if not self._held:
                self._start_renewing()
            self._held[right] = owner
            return True

    def release(self, right: str) -> None:
        """Release a right; where the server is away, the right expires by itself."""
        with self._lock:
            owner = self._held.pop(right)
            if not self._held:
                self._stop_renewing.set()
            self._advisory_locks.release(right)
            try:
                self._delete_claim_twice(right, owner)
            except (sa.exc.SQLAlchemyError, HostawaySyncError) as error:
                log.info("the right %r could not be released, and expires by itself: %s", right, error)

    def _insert_claim(self, right: str, owner: str) -> bool:
        try:
            with self._engine.begin() as connection:
                return rights.claim_right(connection, right, owner)
        except sa.exc.ProgrammingError as error:
            if not _is_without_table(error):
                raise
            return True

    def _delete_claim_twice(self, right: str, owner: str) -> None:
        """Delete a claim, again over a new connection where the first was cut: only its use shows that."""
        try:
            self._delete_claim(right, owner)
        except (sa.exc.OperationalError, StoreUnavailable):
            self._delete_claim(right, owner)

    def _delete_claim(self, right: str, owner: str) -> None:
        try:
            with self._engine.begin() as connection:
                rights.release_claim(connection, right, owner)
        except sa.exc.ProgrammingError as error:
            if not _is_without_table(error):
                raise

    def _start_renewing(self) -> None:
        self._stop_renewing = threading.Event()
        beat = in_current_context(lambda stop=self._stop_renewing: self._renew(stop))
        threading.Thread(target=beat, name="claims", daemon=True).start()

    def _renew(self, stop: threading.Event) -> None:
        while not stop.wait(rights.CLAIM_LIFETIME.total_seconds() / _RENEWALS_PER_LIFETIME):
            with self._lock:
                held = dict(self._held)
            try:
                with self._engine.begin() as connection:
                    rights.renew_claims(connection, held)
            except (sa.exc.SQLAlchemyError, HostawaySyncError) as error:
                log.info("claimed rights could not be renewed, trying again: %s", error)


class _AdvisoryLocks:
    """The same rights as advisory locks, all on one connection; see `last_release_locks`."""

    def __init__(self, connect: Callable[[], sa.Connection], schema: str) -> None:
        self._connect = connect
        self._schema = schema
        self._connection: sa.Connection | None = None
        self._held: set[str] = set()

    def claim(self, right: str) -> bool:
        """Keep programs of the last release from a right; False: one of them holds it."""
        is_ours = self._run(last_release_locks.try_acquire, right)
        if is_ours:
            self._held.add(right)
        self._close_if_unused()
        return is_ours

    def release(self, right: str) -> None:
        """Release the advisory lock of a right."""
        self._held.discard(right)
        if self._connection is not None:
            try:
                self._run(last_release_locks.release_lock, right)
            except (sa.exc.SQLAlchemyError, HostawaySyncError):
                return  # the lock was released with its connection
        self._close_if_unused()

    def _run(self, work: Callable[[sa.Connection, last_release_locks.AdvisoryLock], T], right: str) -> T:
        if self._connection is None:
            self._connection = self._connect()
        try:
            result = work(self._connection, last_release_locks.lock_for_right(self._schema, right))
            self._connection.commit()
        except BaseException:
            # Its locks are lost with it. After a signal in between, it is not known which locks it holds.
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()
            raise
        return result

    def _close_if_unused(self) -> None:
        if self._connection is not None and not self._held:
            self._connection.close()
            self._connection = None


def _is_without_table(error: sa.exc.DBAPIError) -> bool:
    """Whether the database has no table of rights yet, such as the target of a move: only advisory locks count."""
    return getattr(error.orig, "sqlstate", None) == _NO_TABLE
