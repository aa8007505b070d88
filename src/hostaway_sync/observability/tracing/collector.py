"""The way to the collector, which may be away, slow or broken: that costs the program one warning, and no time.

Spans wait in memory, 2048 at most, and a thread hands them over; what does not fit, or is not taken, is lost. Where
they go, with which headers, certificates and compression, OpenTelemetry finds in the environment by itself.
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

# A connection that has gone stale fails once.
_AWAY: Final = 2
_BRIEFLY: Final = 0.5
_REFUSED: Final = 400
_THIS_MACHINE: Final = {"127.0.0.1", "localhost", "::1"}
_PLACEHOLDER: Final = re.compile(r"%[-#0-9.]*[a-zA-Z]")

log = logging.getLogger(__name__)


class Collector:
    """Takes spans.

    Args:
        endpoint: its address.

    Attributes:
        processor: what spans are given to.
    """

    def __init__(self, endpoint: str) -> None:
        self._host = urlsplit(endpoint).hostname or "?"
        self._said = threading.Lock()
        self._over = threading.Event()
        self._is_closing = False
        self._failures = 0
        self._failure = "it does not answer in time"
        ours = logging.getLogger("opentelemetry")
        ours.handlers[:], ours.propagate = [_Ear(self._warn)], False
        logging.getLogger("urllib3").setLevel(logging.WARNING)  # at its loudest it logs addresses
        session = _Session(self._attempted)
        session.trust_env = self._host not in _THIS_MACHINE  # no proxy stands between this machine and itself
        self._exporter = _Exporter(OTLPSpanExporter(session=session), self._lost)
        self.processor = BatchSpanProcessor(self._exporter)

    def close(self, shutdown: Callable[[], object], within: float) -> None:
        """Have `shutdown` hand over what is left, and wait no longer than it is any use."""
        within = min(within, _BRIEFLY) if self._failures >= _AWAY else within
        self._failures = 0
        self._is_closing = True

        def hand_over() -> None:
            shutdown()
            self._over.set()

        threading.Thread(target=hand_over, name="spans", daemon=True).start()
        if not self._over.wait(within) or self._failures >= _AWAY:
            self._lost()
        self._said.acquire(blocking=False)  # whoever still tries has nobody left to tell
        self._exporter.shutdown()

    def _attempted(self, failure: str | None) -> None:
        if failure is None:
            self._failures = 0
            return
        self._failures += 1
        self._failure = failure
        if self._is_closing and self._failures >= _AWAY:
            self._over.set()

    def _lost(self) -> None:
        self._warn(f"spans are lost: the collector at {self._host} does not take them: {self._failure}")

    def _warn(self, sentence: str) -> None:
        if self._said.acquire(blocking=False):
            log.warning("%s", sentence)


class _Exporter(SpanExporter):
    def __init__(self, inner: SpanExporter, lost: Callable[[], None]) -> None:
        self._inner = inner
        self._lost = lost
        self._is_shut = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost()
        return result

    def shutdown(self) -> None:
        """Wake whoever waits for another attempt, once: the exporter complains of a second time."""
        if not self._is_shut.is_set():
            self._is_shut.set()
            self._inner.shutdown()


class _Session(requests.Session):
    """Tells how each attempt ended: in words, or None when it went well."""

    def __init__(self, attempted: Callable[[str | None], None]) -> None:
        super().__init__()
        self._attempted = attempted

    def request(self, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401  (whatever it takes)
        try:
            response = super().request(*args, **options)
        except Exception as error:
            self._attempted(f"it cannot be reached ({type(error).__name__})")
            raise
        refused = response.status_code >= _REFUSED
        self._attempted(f"it answered {response.status_code}" if refused else None)
        return response


class _Ear(logging.Handler):
    """Hears what OpenTelemetry complains of, and repeats it without the values: one may be a key for the collector."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._warn = warn

    def emit(self, record: logging.LogRecord) -> None:
        # What the exporter fails at is said in words of ours.
        if ".exporter." not in record.name or record.name.endswith("._common"):
            self._warn(f"OpenTelemetry: {_PLACEHOLDER.sub('...', str(record.msg))}")
