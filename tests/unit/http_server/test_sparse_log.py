"""Log lines of libraries that any client can cause."""

from __future__ import annotations

import logging

from hostaway_sync.http_server.sparse_log import SparseFilter


def record(words: str, *arguments: object, error: Exception | None = None) -> logging.LogRecord:
    """Return a line of a library."""
    info = (type(error), error, None) if error else None
    return logging.LogRecord("library", logging.ERROR, "", 1, words, arguments, info)


def test_each_kind_of_line_is_logged_once_a_second() -> None:
    """The kind is the template with the kind of its exception; the next line says how many were left out."""
    now = [0.0]
    sparse = SparseFilter((ConnectionError,), part="api", seconds=lambda: now[0])
    assert [sparse.filter(record("%s is wrong\n", number)) for number in range(5)] == [True, False, False, False, False]
    assert sparse.filter(record("%s is wrong\n", 5, error=ValueError()))
    now[0] += 1
    last = record("%s is wrong\n", "100 %")
    assert sparse.filter(last)
    assert last.getMessage() == "100 % is wrong; and 4 more like it"


def test_error_of_a_client_gets_no_traceback() -> None:
    """A bug of ours gets one."""
    sparse = SparseFilter((ConnectionError,), part="api")
    theirs, ours = record("it broke", error=ConnectionResetError("words")), record("it broke", error=ValueError())
    assert sparse.filter(theirs)
    assert sparse.filter(ours)
    assert theirs.exc_info is None
    assert theirs.getMessage() == "api: a request was incomplete or not HTTP: ConnectionResetError"
    assert ours.exc_info is not None
