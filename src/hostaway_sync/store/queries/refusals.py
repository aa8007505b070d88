"""What the server says against a person's query, as one sentence, and whether the query or its run was wrong."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import psycopg
import sqlalchemy as sa

from hostaway_sync.errors import HostawaySyncError, StoreError, UsageError
from hostaway_sync.store.postgres.driver_errors import raise_translated
from hostaway_sync.store.queries.statement import describe_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

_DENIED: Final = "42501"
_WOULD_WRITE: Final = "25006"
_CANCELED: Final = "57014"
_SYNTAX: Final = "42601"
# Syntax, unknown names and types; what PostgreSQL does not do: the statement can never be right.
_WRONG_STATEMENT: Final = ("42", "0A", "3F", "34")
# A connection that failed, a conflict with other transactions, resources, an operator.
_OF_THE_SERVER: Final = ("08", "40", "53", "55", "57")
# A wrong value; a broken rule: the words repeat a value, which may be a guest's.
_WITH_VALUES: Final = ("22", "23")
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_ONLY_QUERIES: Final = (
    "only one query can be run, and it can only read: begin it with SELECT, WITH, VALUES, TABLE, EXPLAIN or SHOW;"
    " `hostaway-sync database shell` takes other statements"
)


@contextmanager
def translated(statement: str, timeout: timedelta) -> Iterator[None]:
    """Raise each error of the driver as ours.

    Raises:
        UsageError: the statement can never be right.
        StoreError: it would write, took too long, or failed while it ran.
        StoreUnavailable: the server went away.
    """
    began = time.monotonic()
    try:
        yield
    except psycopg.Error as error:
        is_late = time.monotonic() - began >= timeout.total_seconds()
        _raise(error, statement, timeout if is_late else None)


def not_a_query(error: psycopg.Error) -> NoReturn:
    """Raise the error for a statement that is no query.

    Raises:
        UsageError: always.
    """
    raise UsageError(_ONLY_QUERIES) from error


def _raise(error: psycopg.Error, statement: str, passed: timedelta | None) -> NoReturn:
    refused = _refusal(error, statement, passed)
    if refused is None:
        raise_translated(sa.exc.DBAPIError.instance(None, None, error, psycopg.Error))
    raise refused from error


def _refusal(error: psycopg.Error, statement: str, passed: timedelta | None) -> HostawaySyncError | None:
    """Return our error; None: it is one that every statement of this program may meet."""
    sqlstate = error.sqlstate or ""
    if sqlstate == _CANCELED:
        return StoreError(_cancelled(passed))
    if sqlstate == _DENIED or not sqlstate or sqlstate.startswith(_OF_THE_SERVER):
        return None
    said = error.diag.message_primary or ""
    if sqlstate == _WOULD_WRITE:
        return StoreError(f"the query would write, and only reading is allowed: {said}")
    if sqlstate == _SYNTAX and error.diag.statement_position is None:
        return UsageError(_ONLY_QUERIES)
    if sqlstate.startswith(_WITH_VALUES):
        said = _QUOTED.sub("…", said)
    place = describe_place(statement, error.diag.statement_position)
    sentence = f"{said}{place}" + (f"; {error.diag.message_hint}" if error.diag.message_hint else "")
    # A wrong value that the statement itself holds has a place in it.
    if sqlstate.startswith(_WRONG_STATEMENT) or (sqlstate.startswith(_WITH_VALUES) and place):
        return UsageError(f"the query cannot be run: {sentence}")
    return StoreError(f"the query failed: {sentence}")


def _cancelled(passed: timedelta | None) -> str:
    if passed is None:
        return "the query was stopped by an administrator of the database: ask there, or run it again"
    seconds = round(passed.total_seconds())
    words = f"{seconds} second" if seconds == 1 else f"{seconds:,} seconds"
    return f"the query was stopped after {words}: ask for less, or allow it more time"
