"""The advisory locks of the last release, which exclude its programs from those of this release.

Delete this module with the next release: then `rights` excludes all programs. Only `migration_lock` must stay, which
is needed before there is any table.

Any role that may log in can take an advisory lock, and pg_locks shows the numbers of all. So every wait has an end,
and a lock is ignored if its holder may not write to our tables: that is no program of ours.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from hostaway_sync.environment.file_locks import poll_with_backoff
from hostaway_sync.errors import StoreBusy
from hostaway_sync.store.identifiers import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds to wait for a program of the last release.
PATIENCE_S: Final = 30.0
# Seconds to look for the holder of a lock that is taken and that no visible session holds.
_UNSEEN_S: Final = 0.5
_SHARED, _ALONE = ("ExclusiveLock",), ("ExclusiveLock", "ShareLock")
# Every role may see the role of a session. Roles that it could become by SET ROLE count, too.
_OTHERS: Final = """
SELECT l.pid, a.usename AS role, EXISTS (
    SELECT FROM pg_roles AS r WHERE pg_has_role(a.usesysid, r.oid, 'MEMBER') AND (
        has_table_privilege(r.oid, to_regclass(:accounts), 'UPDATE')
        OR has_schema_privilege(r.oid, to_regnamespace(:schema), 'CREATE')
        OR has_database_privilege(r.oid, current_database(), 'CREATE'))) AS may_write
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.pid <> pg_backend_pid() AND l.mode = ANY (:modes)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((CAST(l.classid AS bigint) << 32) | CAST(l.objid AS bigint)) = """

log = logging.getLogger(__name__)
_warned: set[tuple[str, int]] = set()


@dataclass(frozen=True, slots=True)
class AdvisoryLock:
    """An advisory lock: its schema and name, and the SQL of its number."""

    schema: str
    name: str
    number: str


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that holds a lock, or waits for it.

    Attributes:
        pid: of the server's process.
        role: that the session logged in as.
        may_write: whether the role may write to our tables, as a program of ours may.
    """

    pid: int
    role: str
    may_write: bool


def lock_for_right(schema: str, right: str) -> AdvisoryLock:
    """Return the lock that stands for a right in this schema."""
    return AdvisoryLock(schema, f"{schema}: {right}", "hashtextextended(CAST(:name AS text), CAST(0 AS bigint))")


def migration_lock(schema: str) -> AdvisoryLock:
    """Return the lock that one migrator of a database holds at a time."""
    return AdvisoryLock(schema, "hostaway-sync migrate", "CAST(hashtext(CAST(:name AS text)) AS bigint)")


def acquire_for_transaction(connection: sa.Connection, lock: AdvisoryLock, *, shared: bool = False) -> None:
    """Hold a lock until the transaction ends, unless only a session that may not write has it.

    Raises:
        StoreBusy: a session that may write has held it for `PATIENCE_S`.
    """
    _acquire(connection, lock, f"pg_try_advisory_xact_lock{'_shared' * shared}", _SHARED if shared else _ALONE)


def acquire_for_session(connection: sa.Connection, lock: AdvisoryLock, patience: float) -> bool:
    """Hold a lock until `release_lock`; False: a session that may not write has it.

    Raises:
        StoreBusy: a session that may write has held it for `patience` seconds.
    """
    return _acquire(connection, lock, "pg_try_advisory_lock", _ALONE, patience)


def release_lock(connection: sa.Connection, lock: AdvisoryLock) -> None:
    """Release a lock of `acquire_for_session` or `try_acquire`."""
    connection.execute(sa.text(f"SELECT pg_advisory_unlock({lock.number})"), {"name": lock.name})


def try_acquire(connection: sa.Connection, lock: AdvisoryLock) -> bool:
    """Hold a lock until `release_lock` if it is free; False: a session that may write has it."""
    if _try(connection, lock, "pg_try_advisory_lock"):
        return True
    others = _list_holders(connection, lock, _ALONE)
    if any(one.may_write for one in others):
        return False
    _warn(lock, others)
    return True


def is_held(connection: sa.Connection, lock: AdvisoryLock) -> bool:
    """Whether a session that may write holds a lock."""
    return any(one.may_write for one in _list_holders(connection, lock, _ALONE))


def _acquire(
    connection: sa.Connection, lock: AdvisoryLock, function: str, modes: Sequence[str], patience: float | None = None
) -> bool:
    patience = PATIENCE_S if patience is None else patience
    began, ours = time.monotonic(), []
    for _ in poll_with_backoff(patience):
        if _try(connection, lock, function):
            return True
        others = _list_holders(connection, lock, modes)
        ours = [one for one in others if one.may_write]
        if not ours and (others or time.monotonic() - began > _UNSEEN_S):
            _warn(lock, others)
            return False
    if not ours:
        return False
    one = ours[0]
    raise StoreBusy(
        f"session {one.pid} of role {one.role!r} has held the database's lock {lock.name!r} for {patience:.0f} seconds:"
        f" end that program, or its session with `SELECT pg_terminate_backend({one.pid})`, then try again"
    )


def _try(connection: sa.Connection, lock: AdvisoryLock, function: str) -> bool:
    return bool(connection.scalar(sa.text(f"SELECT {function}({lock.number})"), {"name": lock.name}))


def _list_holders(connection: sa.Connection, lock: AdvisoryLock, modes: Sequence[str]) -> list[LockHolder]:
    """Return the other sessions that hold a lock in these modes, or wait for it and get it next."""
    wanted = {"name": lock.name, "modes": list(modes), "schema": quote_identifier(lock.schema)}
    wanted["accounts"] = quote_identifier(lock.schema, "accounts")
    rows = connection.execute(sa.text(_OTHERS + lock.number), wanted)
    return [LockHolder(row.pid, row.role, row.may_write) for row in rows]


def _warn(lock: AdvisoryLock, intruders: Sequence[LockHolder]) -> None:
    """Warn once of each session that holds a lock though it may not write."""
    for one in intruders:
        if (lock.name, one.pid) not in _warned:
            _warned.add((lock.name, one.pid))
            log.warning(
                "session %d of role %r, which may not write here, has the lock %r: it keeps nothing from going on;"
                " `SELECT pg_terminate_backend(%d)` ends it",
                one.pid,
                one.role,
                lock.name,
                one.pid,
            )
