"""The settings that every session with PostgreSQL begins with, whatever the role, database or environment sets.

Names are looked up in `pg_catalog`, values have one notation, and no foreign timeout cuts a session.
`default_transaction_read_only` and `role` stay the administrator's: they limit what we may do, not what it means.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from psycopg.types.array import ListBinaryDumper

from hostaway_sync.store.connection import login_errors, pooler
from hostaway_sync.store.identifiers import quote_literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg
    from sqlalchemy.engine.interfaces import Dialect

# The newest server without `transaction_timeout`.
_NO_TRANSACTION_TIMEOUT: Final = 169999
_SETTINGS: Final[Mapping[str, str]] = {
    # Where names and operators are looked up: in no schema in which other roles may create.
    "search_path": "pg_catalog, pg_temp",
    # What a transaction sees, and which rows a statement leaves out.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "transform_null_equals": "off",
    "gin_fuzzy_search_limit": "0",
    # How values are written and read as text.
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    # Timeouts. A session that claims, listens or waits for the source is idle for hours.
    "lock_timeout": "30s",
    "statement_timeout": "10min",
    "idle_in_transaction_session_timeout": "5min",
    "idle_session_timeout": "0",
    # How long a short statement takes to plan: compiling one takes longer than running it.
    "jit": "off",
    # What a commit promises, and what an error ends.
    "synchronous_commit": "on",
    "exit_on_error": "off",
}
_NO_TIMEOUT: Final[Mapping[str, str]] = {"transaction_timeout": "0"}


class SessionFactory:
    """Opens the sessions of one database, and checks once whether a pooler pools by session."""

    def __init__(self) -> None:
        self._is_pooled_by_session = False

    def connect(
        self, dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        """Open a session; a listener of SQLAlchemy's event `do_connect`.

        Raises:
            psycopg.Error: the server is away, or refuses the log-in.
            ConfigurationError: a pooler gives our session to others between two transactions.
        """
        open_bare = partial(login_errors.open_connection, dialect, record, arguments, options | {"autocommit": True})
        connection = open_bare()
        try:
            # A page of payloads as text array takes the client four times as long: every quote is escaped.
            connection.adapters.register_dumper(list, ListBinaryDumper)
            info = connection.info
            if (
                connection.execute(
                    build_settings_statement(info.server_version, of_process=info.backend_pid)
                ).fetchone()
                is None
            ):
                if not self._is_pooled_by_session:
                    pooler.require_session_pooling(connection, open_bare)
                    self._is_pooled_by_session = True
                connection.execute(build_settings_statement(info.server_version))
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return connection


def connect_options(application: str) -> dict[str, Any]:
    """Return the options of each connection beside its URL, by their names in libpq."""
    return {"application_name": application, "client_encoding": "UTF8"}


def build_settings_statement(
    server_version: int, own: Mapping[str, str] | None = None, *, of_process: int | None = None
) -> bytes:
    """Return the one statement that sets all settings of a session; it calls only functions of `pg_catalog`.

    Args:
        server_version: as libpq reports it: 150004 is 15.4.
        own: settings of this session that differ from the usual ones.
        of_process: id of the server's process, as the client learnt it at log-in. In another process, behind a
            pooler, the statement changes nothing and returns no row.
    """
    no_timeout = _NO_TIMEOUT if server_version > _NO_TRANSACTION_TIMEOUT else {}
    settings = {**_SETTINGS, **no_timeout, **(own or {})}
    calls = ", ".join(
        f"pg_catalog.set_config({quote_literal(name)}, {quote_literal(value)}, false)"
        for name, value in settings.items()
    )
    if of_process is None:
        return f"SELECT {calls}".encode()
    return f"SELECT {calls} WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {of_process:d}".encode()
