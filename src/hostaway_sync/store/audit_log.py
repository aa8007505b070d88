"""The audit log: every change of an account or an API key and who made it, written in the transaction of the change."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hostaway_sync.store.tables import audit_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from hostaway_sync.store.postgres.database import Database

REPLACED = "replaced"
"""The entry of a changed secret, in place of its old and new value."""

CALLER = "caller"
"""The member of `changes` that names the caller of the API for whom a change was made."""

_caller: ContextVar[str | None] = ContextVar("caller", default=None)


class Action(StrEnum):
    """What was done, mostly to an account."""

    ADDED = "added"
    UPDATED = "updated"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"
    PURGING = "purging"
    PURGED = "purged"
    FORGOTTEN = "forgotten"
    CALENDAR_WRITTEN = "calendar_written"
    API_KEY_CREATED = "api_key_created"
    API_KEY_ROTATED = "api_key_rotated"
    API_KEY_REVOKED = "api_key_revoked"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change; `changes` has the old and new value by field, and of a secret only that it was replaced."""

    changed_at: datetime
    action: Action
    os_user: str
    host: str
    changes: Mapping[str, Any]


def add_entry(
    connection: sa.Connection,
    account_id: int | None,
    action: Action,
    changes: Mapping[str, Any] | None = None,
    *,
    made_by: tuple[str, str] | None = None,
) -> None:
    """Add an entry about a change, mostly of an account, in the transaction that makes the change.

    Args:
        connection: of that transaction.
        account_id: which account; None: it is about no single one.
        action: what was done.
        changes: old and new value by field.
        made_by: user and host of who did it; None: this process.
    """
    caller = _caller.get()
    named = {} if caller is None else {CALLER: caller}
    os_user, host = made_by or (current_os_user(), socket.gethostname())
    values = {"account_id": account_id, "action": action.value, "changes": {**(changes or {}), **named}}
    connection.execute(sa.insert(audit_log).values(**values, os_user=os_user, host=host))


@contextmanager
def acting_for(caller: str) -> Iterator[None]:
    """Name a caller of the API in every entry that is added while the block runs."""
    before = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(before)


def note_caller(connection: sa.Connection, account_id: int, changes: Mapping[str, Any]) -> None:
    """Add an entry about what a caller of the API had done; add none for a person or a job, whom its row names."""
    if _caller.get() is not None:
        add_entry(connection, account_id, Action.UPDATED, changes)


def list_last_entries(database: Database, account_id: int, *, limit: int) -> list[AuditEntry]:
    """Return the last changes of an account, newest first."""
    columns = (audit_log.c[name] for name in ("changed_at", "action", "os_user", "host", "changes"))
    query = sa.select(*columns).where(audit_log.c.account_id == account_id).order_by(audit_log.c.audit_id.desc())
    rows = database.transaction(lambda connection: connection.execute(query.limit(limit)).all())
    return [AuditEntry(row.changed_at, Action(row.action), row.os_user, row.host, row.changes) for row in rows]


def current_os_user() -> str:
    """Return the name of the user of this process, by its user id and not by the environment."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
