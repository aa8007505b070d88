"""Exports spans to a collector. If the collector is down, slow or broken, the program logs one warning and goes on.

At most 2048 spans wait in memory, and a thread exports them; spans that do not fit or fail are lost. OpenTelemetry
itself reads the endpoint, headers, certificates and compression from the environment.
"""

from __future__ import annotations

import logging
import re
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

# One failure may be a stale connection.
_FAILURES_IF_DOWN: Final = 2
_SHORT_TIMEOUT_S: Final = 0.5
_ERROR_STATUS: Final = 400
_THIS_MACHINE: Final = {"127.0.0.1", "localhost", "::1"}
_PLACEHOLDER: Final = re.compile(r"%[-#0-9.]*[a-zA-Z]")

log = logging.getLogger(__name__)


class Collector:
    """The connection to a collector of spans.

    Args:
        endpoint: the collector's URL.

    Attributes:
        processor: the span processor that exports to it.
    """

    def __init__(self, endpoint: str) -> None:
        self._host = urlsplit(endpoint).hostname or "?"
        self._warned = threading.Lock()
        self._is_done = threading.Event()
        self._is_closing = False
        self._failures = 0
        self._failure = "it does not answer in time"
        ours = logging.getLogger("opentelemetry")
        ours.handlers[:], ours.propagate = [_WarningRelay(self._warn)], False
        logging.getLogger("urllib3").setLevel(logging.WARNING)  # at level DEBUG it logs URLs
        session = _Session(self._record_attempt)
        session.trust_env = self._host not in _THIS_MACHINE  # no proxy for this machine itself
        self._exporter = _Exporter(OTLPSpanExporter(session=session), self._warn_of_loss)
        self.processor = BatchSpanProcessor(self._exporter)

    def close(self, shutdown: Callable[[], object], within: float) -> None:
        """Export the remaining spans with `shutdown`; wait only while the collector may still take them."""
        within = min(within, _SHORT_TIMEOUT_S) if self._failures >= _FAILURES_IF_DOWN else within
        self._failures = 0
        self._is_closing = True

        def export_rest() -> None:
            shutdown()
            self._is_done.set()

        threading.Thread(target=export_rest, name="spans", daemon=True).start()
        if not self._is_done.wait(within) or self._failures >= _FAILURES_IF_DOWN:
            self._warn_of_loss()
        self._warned.acquire(blocking=False)  # attempts that end after this log no warning
        self._exporter.shutdown()

    def _record_attempt(self, failure: str | None) -> None:
        if failure is None:
            self._failures = 0
            return
        self._failures += 1
        self._failure = failure
        if self._is_closing and self._failures >= _FAILURES_IF_DOWN:
            self._is_done.set()

    def _warn_of_loss(self) -> None:
        self._warn(f"spans are lost: the collector at {self._host} does not take them: {self._failure}")

    def _warn(self, sentence: str) -> None:
        if self._warned.acquire(blocking=False):
            log.warning("%s", sentence)


class _Exporter(SpanExporter):
    def __init__(self, inner: SpanExporter, on_loss: Callable[[], None]) -> None:
        self._inner = inner
        self._on_loss = on_loss
        self._is_shut = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._on_loss()
        return result

    def shutdown(self) -> None:
        """Wake the thread that waits for another attempt; only once, because the exporter warns of a second call."""
        if not self._is_shut.is_set():
            self._is_shut.set()
            self._inner.shutdown()


class _Session(requests.Session):
    """Reports how each attempt ended: as a phrase, or None if it succeeded."""

    def __init__(self, on_attempt: Callable[[str | None], None]) -> None:
        super().__init__()
        self._on_attempt = on_attempt

    def request(self, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401  (whatever it takes)
        try:
            response = super().request(*args, **options)
        except Exception as error:
            self._on_attempt(f"it cannot be reached ({type(error).__name__})")
            raise
        refused = response.status_code >= _ERROR_STATUS
        self._on_attempt(f"it answered {response.status_code}" if refused else None)
        return response


class _WarningRelay(logging.Handler):
    """Repeats OpenTelemetry's warnings without their values, because one may be a key for the collector."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn

    def emit(self, record: logging.LogRecord) -> None:
        # Failures of the exporter have a warning of our own.
        if ".exporter." not in record.name or record.name.endswith("._common"):
            self._warn(f"OpenTelemetry: {_PLACEHOLDER.sub('...', str(record.msg))}")
