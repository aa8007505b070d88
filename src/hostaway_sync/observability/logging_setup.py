"""Log lines on stderr: readable on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Any

from hostaway_sync.observability import log_context
from hostaway_sync.observability.exception_text import format_traceback
from hostaway_sync.observability.log_redaction import LogRedactor


def configure_logging(level: str, log_format: str | None = None) -> None:
    """Send log lines of this level and above to stderr.

    Args:
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`.
        log_format: `console` or `json`; None: `console` on a terminal, `json` elsewhere.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(log_format or ("console" if sys.stderr.isatty() else "json")))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("alembic", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of a connection that a signal interrupted in a query; the person who sent the signal knows.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    # These two write tracebacks when the database is away: the worker logs that as one sentence.
    for plaintive in ("procrastinate", "psycopg.pool"):
        logging.getLogger(plaintive).setLevel(logging.CRITICAL)


def plain_formatter() -> logging.Formatter:
    """Return the formatter of a terminal, without colours."""
    return LineFormatter("console", colors=False)


class LineFormatter(logging.Formatter):
    """structlog's rendering, imported with the first line: a healthy run writes none."""

    def __init__(self, log_format: str, *, colors: bool = True) -> None:
        super().__init__()
        self._colors = colors and sys.stderr.isatty()
        self._is_console = log_format == "console"
        self._formatter: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        if self._formatter is None:
            self._formatter = self._build()
        return self._formatter.format(record)

    def _build(self) -> logging.Formatter:
        import structlog

        # Tracebacks of our own: structlog's show the values of variables, Python's the text of every exception.
        exceptions = structlog.processors.ExceptionRenderer(lambda info: format_traceback(info[1]).rstrip())
        renderer: Any = structlog.processors.JSONRenderer()
        if self._is_console:
            renderer = structlog.dev.ConsoleRenderer(
                colors=self._colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            )
        before: list[Any] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper("iso")]
        before = [_add_context, structlog.stdlib.ExtraAdder(), *before]
        without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
        final = [without_meta, exceptions, LogRedactor(), renderer]
        return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=final)


def _add_context(logger: object, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the fields of the log context, as a processor of structlog."""
    del logger, method
    return {**event, **log_context.current_log_context()}
