"""Translate the driver's errors: the server is away, it refuses us, or the tables are not ours.

Only the SQLSTATE counts, because the words are in the language of the server. An error without SQLSTATE is of a
connection that failed or broke; `login_errors` adds the SQLSTATE where the server answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from hostaway_sync.errors import ConfigurationError, HostawaySyncError, StoreError, StoreUnavailable
from hostaway_sync.store.connection import database_url, pooler
from hostaway_sync.store.connection.login_errors import LoginRefused

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

# Serialization failure, deadlock, lock timeout: another attempt may succeed on the same connection.
_TRANSIENT: Final = frozenset({"40001", "40P01", "55P03"})
# Connection exception, insufficient resources, operator intervention.
_TRANSIENT_CLASSES: Final = frozenset({"08", "53", "57"})
# A database that an administrator has closed to connections for a while answers a log-in so.
_CLOSED_FOR_NOW: Final = "55000"
# A missing table, column, function, type, schema or unique index.
_MISSING: Final = frozenset({"42P01", "42703", "42883", "42704", "3F000", "42P10"})
_DENIED: Final = "42501"
# What to do about errors of which the server names only the cause.
_ADVICE: Final = {
    "25006": "it can only be read: connect to the primary server if this is a standby, else turn"
    " default_transaction_read_only off, which the server, the database or the role has set",
    _DENIED: "grant that to the role, or connect as the one who ran `hostaway-sync migrate`; a setting `role` of ALTER"
    " DATABASE or ALTER ROLE takes the place of the one that logs in: `hostaway-sync doctor` names what is missing",
}
# A prepared statement is missing or exists already: another session answers than the one that prepared it.
_OF_ANOTHER_SESSION: Final = frozenset({"26000", "42P05"})
_WRONG_VALUE: Final = "22"
# Wrong data, a broken constraint, a syntax error: bugs of this program.
_BUGS: Final = frozenset({"22", "23", "42"})
# What a server answers to a log-in whose `options` are unknown, malformed or not allowed to clients.
_OF_OPTIONS: Final = ("22", "42", "55P02")
# PgBouncer has one SQLSTATE for many refusals, and its words are always English.
_OF_POOLER: Final = "08P01"
_PARAMETER: Final = "startup parameter"


def raise_translated(error: SQLAlchemyError) -> NoReturn:
    """Raise our own error for a driver's error; an error that looks like a bug is raised unchanged."""
    translated = _translate(error)
    if translated is None:
        raise error
    raise translated from error


def describe_unexpected_error(error: Exception) -> str | None:
    """Return the sentence for an answer of the database that `raise_translated` left unchanged; None: it is none."""
    sqlstate = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    if not isinstance(error, DBAPIError) or sqlstate is None:
        return None
    # The words about a wrong value repeat the value, which may be a guest's.
    reason = "" if sqlstate.startswith(_WRONG_VALUE) else f": {str(error.orig).partition(chr(10))[0]}"
    return (
        f"the database rejected a statement (SQLSTATE {sqlstate}){reason}; its tables were changed by other"
        " means, or this is a bug of hostaway-sync: HOSTAWAY_SYNC_LOG_LEVEL=DEBUG shows where"
    )


def _translate(error: SQLAlchemyError) -> HostawaySyncError | None:
    if isinstance(error, NoConnectionFree):
        return StoreUnavailable("no database connection became free within a minute")
    if not isinstance(error, DBAPIError):
        return None
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
    if isinstance(error.orig, LoginRefused) and sqlstate.startswith(_OF_OPTIONS) and sqlstate != _DENIED:
        advice = "correct its options, which the server takes for settings of the session"
        return ConfigurationError(f"{database_url.SETTING_NAME} cannot be used: {reason}; {advice}")
    if isinstance(error.orig, LoginRefused) and sqlstate == _OF_POOLER and _PARAMETER in reason:
        advice = "take its options away, or name them in `ignore_startup_parameters` of the pooler"
        return ConfigurationError(f"{database_url.SETTING_NAME} cannot be used: {reason}; {advice}")
    is_closed = isinstance(error.orig, LoginRefused) and sqlstate == _CLOSED_FOR_NOW
    if sqlstate and not is_closed:
        return _translate_sqlstate(sqlstate, reason)
    is_broken = is_closed or error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return StoreUnavailable(f"the database is not available: {reason}") if is_broken else None


def _translate_sqlstate(sqlstate: str, reason: str) -> HostawaySyncError | None:
    """Return our error for an answer of the server; None: it is a bug of this program."""
    if sqlstate in _TRANSIENT or sqlstate[:2] in _TRANSIENT_CLASSES:
        return StoreUnavailable(f"the database is not available: {reason}")
    if sqlstate in _OF_ANOTHER_SESSION:
        return ConfigurationError(pooler.POOLED_BY_TRANSACTION)
    if sqlstate in _MISSING:
        advice = "its tables were changed by other means than `hostaway-sync migrate`: restore it from a backup"
        return StoreError(f"the database lacks what its revision has: {reason}; {advice}")
    if sqlstate[:2] in _BUGS and sqlstate != _DENIED:
        return None
    advice = f"; {_ADVICE[sqlstate]}" if sqlstate in _ADVICE else ""
    return StoreError(f"the database refuses us: {reason}{advice}")
