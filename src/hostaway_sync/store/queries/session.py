"""The session of one query: read-only, for the query alone, with a timeout, and rolled back whatever it did.

    begin    a read-only transaction, whose first statement makes that final: PostgreSQL lets nothing undo it
    parse    the statement alone; the server finds errors, and refuses a second statement
    check    the server parses it as a cursor's query, which only SELECT, WITH, VALUES and TABLE can be
    copy     COPY (query) TO STDOUT, in a stream; EXPLAIN and SHOW, which COPY does not take, are read at once
    leave    a statement that still runs is cancelled; the connection is closed

Nothing that the text holds can leave the brackets of COPY: the same text was parsed within them, as one statement.
"""

from __future__ import annotations

import csv
import io
import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus, TransactionStatus

from hostaway_sync.errors import UsageError
from hostaway_sync.store.identifiers import quote_identifier
from hostaway_sync.store.queries import refusals
from hostaway_sync.store.queries.statement import has_short_answer, require_statement, without_end

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from datetime import timedelta

    from hostaway_sync.store.postgres.database import Database

_CANCEL_S: Final = 5.0
_CURSOR: Final = "DECLARE parsed NO SCROLL CURSOR FOR\n{}"
_COPY: Final = "COPY (\n{}\n) TO STDOUT"
_CSV: Final = " (FORMAT csv, HEADER true)"
_JSON: Final = "SELECT pg_catalog.row_to_json({row}) FROM (\n{query}\n) AS {row}"
# The first statement: its snapshot makes it impossible to leave read-only mode.
_BEGIN: Final = (
    "SELECT pg_catalog.set_config('search_path', %s, true), pg_catalog.set_config('statement_timeout', %s, true)"
)


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of the answer: its name, and its type by PostgreSQL's number."""

    name: str
    type_oid: int


class Query:
    """A query that can be answered, once, in one of several forms.

    Attributes:
        columns: of the answer.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], text: str, columns: Sequence[ResultColumn], timeout: timedelta
    ) -> None:
        self._connection = connection
        self._text = text
        self._timeout = timeout
        self.columns = tuple(columns)

    def csv(self) -> Iterator[bytes]:
        """Yield the answer as CSV, a line of names first, in pieces that end where a row ends."""
        with self._copy(_COPY.format(self._text) + _CSV) as copy:
            for piece in copy:
                yield bytes(piece)

    def rows(self) -> Iterator[tuple[str | None, ...]]:
        """Yield each row as PostgreSQL writes its values; None: NULL."""
        with self._copy(_COPY.format(self._text)) as copy:
            yield from copy.rows()

    def json(self) -> Iterator[str]:
        """Yield each row as a JSON object in one line.

        Raises:
            UsageError: two columns have the same name, and an object cannot hold both.
        """
        names = [column.name for column in self.columns]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"two columns are called {name}, and JSON can hold one: rename the other with AS")
        alias = "row"
        while alias in names:
            alias += "_"
        objects = _JSON.format(query=self._text, row=quote_identifier(alias))
        with self._copy(_COPY.format(objects)) as copy:
            for (text,) in copy.rows():
                # Only between two values: within a text JSON writes a line break as \n.
                yield text.replace("\r", " ").replace("\n", " ")

    def values(self) -> list[tuple[object, ...]]:
        """Return all rows, as values of Python."""
        with refusals.translated(self._text, self._timeout), self._connection.cursor() as cursor:
            return [tuple(row) for row in cursor.execute(self._text.encode())]

    @contextmanager
    def _copy(self, statement: str) -> Iterator[psycopg.Copy]:
        with (
            refusals.translated(self._text, self._timeout),
            self._connection.cursor() as cursor,
            cursor.copy(statement.encode()) as copy,
        ):
            yield copy


class ShortQuery(Query):
    """EXPLAIN or SHOW, whose answer is some lines."""

    def csv(self) -> Iterator[bytes]:
        """Yield the answer as CSV, a line of names first."""
        for row in ([column.name for column in self.columns], *self.rows()):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(row)
            yield text.getvalue().encode()

    def rows(self) -> Iterator[tuple[str | None, ...]]:
        """Yield each row as PostgreSQL writes its values; None: NULL."""
        with refusals.translated(self._text, self._timeout), self._connection.cursor() as cursor:
            result = cursor.execute(self._text.encode()).pgresult
            assert result is not None  # noqa: S101  (it was executed)
            for row in range(result.ntuples):
                cells = (result.get_value(row, column) for column in range(result.nfields))
                yield tuple(None if cell is None else cell.decode() for cell in cells)

    def json(self) -> Iterator[str]:
        """Yield each row as a JSON object in one line, its values as texts."""
        names = [column.name for column in self.columns]
        for row in self.rows():
            yield json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False)


@contextmanager
def open_query(database: Database, text: str, timeout: timedelta) -> Generator[Query]:
    """Open a read-only session for one query, in which names without a schema are the mirror's.

    Raises:
        UsageError: the text is no query, or can never be answered.
        StoreError: it would write, took too long or failed; or this role may not read that.
        StoreUnavailable: the server is away.
    """
    require_statement(text)
    with database.session() as session:
        connection: psycopg.Connection[Any] = session.connection.driver_connection  # type: ignore[assignment]  # it is psycopg's
        try:
            with refusals.translated(text, timeout):
                _begin(connection, database.schema, timeout)
                columns = _parse(connection, text)
                is_short = has_short_answer(text)
                query = text if is_short else _unended(connection, text)
            yield (ShortQuery if is_short else Query)(connection, query, columns, timeout)
        finally:
            if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=_CANCEL_S)


def _begin(connection: psycopg.Connection[Any], schema: str, timeout: timedelta) -> None:
    connection.read_only = True
    milliseconds = str(round(timeout.total_seconds() * 1000))
    connection.execute(_BEGIN, [quote_identifier(schema), milliseconds])


def _parse(connection: psycopg.Connection[Any], text: str) -> list[ResultColumn]:
    """Have the server parse a text as one statement, and return the columns of its answer."""
    _prepare(connection, text)
    connection.pgconn.send_describe_prepared(b"")
    (described,) = connection.wait(generators.execute(connection.pgconn))
    if described.nparams:
        raise UsageError("the query has a parameter such as $1: write the value in its place")
    found = range(described.nfields)
    return [ResultColumn((described.fname(place) or b"").decode(), described.ftype(place)) for place in found]


def _unended(connection: psycopg.Connection[Any], text: str) -> str:
    """Return a statement without the semicolon at its end.

    Raises:
        UsageError: it is no query.
    """
    try:
        with connection.transaction():
            _prepare(connection, _CURSOR.format(text))
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        refusals.not_a_query(error)
    for candidate in without_end(text):
        with suppress(psycopg.errors.SyntaxError), connection.transaction():
            _prepare(connection, _CURSOR.format(candidate))
            _prepare(connection, _COPY.format(candidate))
            return candidate
    raise UsageError("the query cannot be run: take the semicolon away from its end")


def _prepare(connection: psycopg.Connection[Any], statement: str) -> None:
    connection.pgconn.send_prepare(b"", statement.encode())
    (result,) = connection.wait(generators.execute(connection.pgconn))
    if result.status != ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
