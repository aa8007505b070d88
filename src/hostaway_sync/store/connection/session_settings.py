"""How every session with PostgreSQL begins: with settings of ours, whatever the role, database or environment says.

Names mean what `pg_catalog` says, values are written in one way, and no timeout of another cuts a session that lives.
`default_transaction_read_only` and `role` stay an administrator's: they say what we may do, not what it means.
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

# The newest server that does not know `transaction_timeout`.
_NO_TRANSACTION_TIMEOUT: Final = 169999
_SETTINGS: Final[Mapping[str, str]] = {
    # What a name or an operator means: no schema in which others may create is looked into.
    "search_path": "pg_catalog, pg_temp",
    # What a transaction sees, and what a statement leaves out.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "transform_null_equals": "off",
    "gin_fuzzy_search_limit": "0",
    # How a value is written as text, and how a text is read.
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    # How long anything may take. A session that claims, listens or waits for the source is idle for hours.
    "lock_timeout": "30s",
    "statement_timeout": "10min",
    "idle_in_transaction_session_timeout": "5min",
    "idle_session_timeout": "0",
    # What a commit promises, and what an error ends.
    "synchronous_commit": "on",
    "exit_on_error": "off",
}
_ENDLESS_TRANSACTIONS: Final[Mapping[str, str]] = {"transaction_timeout": "0"}


class SessionFactory:
    """Opens the sessions of one database."""

    def __init__(self) -> None:
        self._is_pooled_by_session = False

    def connect(
        self, dialect: Dialect, record: object, arguments: list[Any], options: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        """Open a session, as SQLAlchemy's event `do_connect` asks for one.

        Raises:
            psycopg.Error: the server is away, or refuses.
            ConfigurationError: a pooler gives the server's session to others between two transactions.
        """
        open_bare = partial(login_errors.open_connection, dialect, record, arguments, options | {"autocommit": True})
        connection = open_bare()
        try:
            # A page of payloads as text array costs four times the client's time: all quotes of all rows are escaped.
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
    """Return what each connection is opened with beside the URL, by the names of libpq."""
    return {"application_name": application, "client_encoding": "UTF8"}


def build_settings_statement(
    server_version: int, own: Mapping[str, str] | None = None, *, of_process: int | None = None
) -> bytes:
    """Return the one statement that gives a session its settings; it calls nothing that others could have made.

    Args:
        server_version: as libpq knows it: 150004 is 15.4.
        own: settings of this session that differ.
        of_process: the server's process that the client was told of. Another one, behind a pooler, changes nothing
            and returns no row.
    """
    endless = _ENDLESS_TRANSACTIONS if server_version > _NO_TRANSACTION_TIMEOUT else {}
    settings = {**_SETTINGS, **endless, **(own or {})}
    calls = ", ".join(
        f"pg_catalog.set_config({quote_literal(name)}, {quote_literal(value)}, false)"
        for name, value in settings.items()
    )
    if of_process is None:
        return f"SELECT {calls}".encode()
    return f"SELECT {calls} WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {of_process:d}".encode()
