"""The advisory locks of the last release, so that a program of it never works side by side with one of this release.

To be deleted with the next release: `rights` excludes all that know it. What remains then is `MIGRATE`, which is wanted
before there is any table.

Any role that may log in can take an advisory lock, and pg_locks shows it the numbers of all. So each wait has an end,
and a lock whose holder may not even write to our tables keeps nothing from going on: no program of ours holds it.
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
# Seconds to look for the holder of a lock that is not to be had, and that nobody seems to hold.
_UNSEEN_S: Final = 0.5
_SHARED, _ALONE = ("ExclusiveLock",), ("ExclusiveLock", "ShareLock")
# Whose session it is, every role may know. A role is believed for what it could become by SET ROLE, too.
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
    """An advisory lock: its name, and the SQL of its number."""

    schema: str
    name: str
    number: str


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session of the database that has a lock, or waits for it.

    Attributes:
        pid: of the server's process.
        role: that it logged in as.
        may_write: whether that role could be a program of ours.
    """

    pid: int
    role: str
    may_write: bool


def lock_for_right(schema: str, right: str) -> AdvisoryLock:
    """Return the lock that stood for a right of this schema."""
    return AdvisoryLock(schema, f"{schema}: {right}", "hashtextextended(CAST(:name AS text), CAST(0 AS bigint))")


def migration_lock(schema: str) -> AdvisoryLock:
    """Return the lock that migrators of one database have in turn."""
    return AdvisoryLock(schema, "hostaway-sync migrate", "CAST(hashtext(CAST(:name AS text)) AS bigint)")


def acquire_for_transaction(connection: sa.Connection, lock: AdvisoryLock, *, shared: bool = False) -> None:
    """Have a lock until the transaction ends, or know that no program of ours has it.

    Raises:
        StoreBusy: a program that may write has had it for too long.
    """
    _await(connection, lock, f"pg_try_advisory_xact_lock{'_shared' * shared}", _SHARED if shared else _ALONE)


def acquire_for_session(connection: sa.Connection, lock: AdvisoryLock, patience: float) -> bool:
    """Have a lock until `release_lock`; False: an intruder has it, and no program of ours.

    Raises:
        StoreBusy: a program that may write has had it for `patience` seconds.
    """
    return _await(connection, lock, "pg_try_advisory_lock", _ALONE, patience)


def release_lock(connection: sa.Connection, lock: AdvisoryLock) -> None:
    """Give back what `acquire_for_session` or `try_acquire` has had."""
    connection.execute(sa.text(f"SELECT pg_advisory_unlock({lock.number})"), {"name": lock.name})


def try_acquire(connection: sa.Connection, lock: AdvisoryLock) -> bool:
    """Have a lock until `release_lock`, where it can be had; say whether no program of the last release has it."""
    if _tried(connection, lock, "pg_try_advisory_lock"):
        return True
    others = _others(connection, lock, _ALONE)
    if any(one.may_write for one in others):
        return False
    _warn(lock, others)
    return True


def is_held(connection: sa.Connection, lock: AdvisoryLock) -> bool:
    """Whether a program that may write has a lock."""
    return any(one.may_write for one in _others(connection, lock, _ALONE))


def _await(
    connection: sa.Connection, lock: AdvisoryLock, function: str, modes: Sequence[str], patience: float | None = None
) -> bool:
    patience = PATIENCE_S if patience is None else patience
    began, ours = time.monotonic(), []
    for _ in poll_with_backoff(patience):
        if _tried(connection, lock, function):
            return True
        others = _others(connection, lock, modes)
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


def _tried(connection: sa.Connection, lock: AdvisoryLock, function: str) -> bool:
    return bool(connection.scalar(sa.text(f"SELECT {function}({lock.number})"), {"name": lock.name}))


def _others(connection: sa.Connection, lock: AdvisoryLock, modes: Sequence[str]) -> list[LockHolder]:
    """Return whose sessions have a lock in these modes, or wait for it: it is given to them next."""
    wanted = {"name": lock.name, "modes": list(modes), "schema": quote_identifier(lock.schema)}
    wanted["accounts"] = quote_identifier(lock.schema, "accounts")
    rows = connection.execute(sa.text(_OTHERS + lock.number), wanted)
    return [LockHolder(row.pid, row.role, row.may_write) for row in rows]


def _warn(lock: AdvisoryLock, intruders: Sequence[LockHolder]) -> None:
    """Say once of each session that it has a lock which it has no business with."""
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
