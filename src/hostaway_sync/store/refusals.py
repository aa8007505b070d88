"""What the errors of the driver mean: a server that is away, one that refuses us, or a mistake in the URL."""

from __future__ import annotations

import re
from typing import NoReturn

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from hostaway_sync.errors import ConfigurationError, HostawaySyncError, StoreError, StoreUnavailable

# What another try may cure, though the connection itself is well.
_TRANSIENT = {"40001", "40P01", "55P03"}
_REFUSALS = {"25006", "28000", "28P01", "3D000", "42501"}
_WORDS_OF_REFUSAL = (
    *("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry"),
    *("not permitted to log in", "permission denied for database"),
)

# What libpq, psycopg and the server say of an option whose value cannot be right.
_WRONG_VALUE = re.compile(r'invalid (port number|"?\w+"? value|value for parameter "\w+")|bad value for \w+')


def raise_translated(error: SQLAlchemyError) -> NoReturn:
    """Raise the error of ours that a driver's error means; what looks like a bug stays what it is."""
    translated = _translated(error)
    if translated is None:
        raise error
    # What libpq says of a mistaken URL repeats a piece of it, perhaps of the password.
    raise translated from (None if isinstance(translated, ConfigurationError) else error)


def _translated(error: SQLAlchemyError) -> HostawaySyncError | None:
    if isinstance(error, NoConnectionFree):
        return StoreUnavailable("no database connection became free within a minute")
    if not isinstance(error, DBAPIError):
        return None
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    reason = next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)
    unanswered = isinstance(error, (OperationalError, InterfaceError)) and not sqlstate
    if not sqlstate and (mistake := _mistake_in_url(reason)):
        return ConfigurationError(f"HOSTAWAY_SYNC_DATABASE_URL {mistake}")
    # libpq gives no SQLSTATE for a refused log-in, only the server's words.
    if sqlstate in _REFUSALS or (unanswered and any(words in reason for words in _WORDS_OF_REFUSAL)):
        return StoreError(f"the database refuses us: {reason}")
    if error.connection_invalidated or unanswered or sqlstate in _TRANSIENT or sqlstate[:2] in {"08", "53", "57"}:
        return StoreUnavailable(f"the database is not available: {reason}")
    return None


def _mistake_in_url(reason: str) -> str | None:
    """Say what no other try will cure, without the value: it may be a piece of a password."""
    if "invalid connection option" in reason:
        return "has an option that PostgreSQL's client does not know"
    wrong = _WRONG_VALUE.search(reason)
    return f"cannot be used: {wrong[0]}" if wrong else None
