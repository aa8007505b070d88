"""Find the SQLSTATE of a refused log-in; the server's words may be in any language.

libpq keeps the words of the answer to a failed log-in, but not its SQLSTATE. So the log-in is tried once more with
libpq's own trace, which holds the SQLSTATE.
"""

from __future__ import annotations

import re
import select
import tempfile
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import Dialect


class LoginRefused(psycopg.OperationalError):
    """A server answered and refused the log-in, before any statement."""


INVALID_PASSWORD: Final = "28P01"  # noqa: S105  (a SQLSTATE)
_LOGIN_TIMEOUT_S: Final = 10.0
_WAITS_FOR: Final[dict[int, int]] = {
    pq.PollingStatus.READING: select.POLLIN,
    pq.PollingStatus.WRITING: select.POLLOUT,
}
_ANSWER: Final = re.compile(rb'^B\t\d+\tErrorResponse\t S "[^"\n]*" (?:V "[^"\n]*" )?C "([0-9A-Z]{5})"', re.MULTILINE)


def open_connection(
    dialect: Dialect, _: object, arguments: list[Any], options: dict[str, Any]
) -> psycopg.Connection[Any]:
    """Connect as SQLAlchemy would; the error of a refused log-in has its SQLSTATE."""
    try:
        connection: psycopg.Connection[Any] = dialect.connect(*arguments, **options)  # type: ignore[assignment]  # it is psycopg's
    except psycopg.OperationalError as error:
        add_sqlstate(error, *arguments, **options)
        if error.sqlstate is None:
            raise
        refused = LoginRefused(*error.args)
        refused.sqlstate = error.sqlstate
        raise refused from error
    return connection


def add_sqlstate(error: psycopg.OperationalError, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (psycopg's own)
    """Set the SQLSTATE of an error that `psycopg.connect` raised with these arguments, if the server answered."""
    if error.sqlstate is None and not isinstance(error, psycopg.errors.ConnectionTimeout):
        known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
        parameters = {name: value for name, value in options.items() if name in known}
        error.sqlstate = _find_sqlstate(make_conninfo(*arguments, **parameters))


def _find_sqlstate(conninfo: str) -> str | None:
    """Return the SQLSTATE that the server answers to this log-in; None: the log-in succeeds, or no server answers."""
    with tempfile.TemporaryFile() as trace:
        connection = pq.PGconn.connect_start(conninfo.encode())
        try:
            connection.trace(trace.fileno())
            connection.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
            _finish_login(connection)
            connection.untrace()
            needs_password = connection.needs_password
        finally:
            connection.finish()
        trace.seek(0)
        answers = _ANSWER.findall(trace.read())
    if answers:
        return str(answers[-1], "ascii")
    # libpq itself gave up: the server asks for a password, and there is none.
    return INVALID_PASSWORD if needs_password else None


def _finish_login(connection: pq.abc.PGconn) -> None:
    until = time.monotonic() + _LOGIN_TIMEOUT_S
    while connection.status != pq.ConnStatus.BAD:
        waits_for = _WAITS_FOR.get(connection.connect_poll())
        if waits_for is None:
            return
        socket = select.poll()
        socket.register(connection.socket, waits_for)
        if not socket.poll(max(0.0, until - time.monotonic()) * 1000):
            return
