"""Records spans with OpenTelemetry. The only importer of its API; imported only if spans are recorded.

Attributes of HTTP follow its semantic conventions; our own attributes begin with `hostaway_sync.`.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from hostaway_sync.errors import Advice, ConfigurationError, HostawaySyncError
from hostaway_sync.observability.log_context import current_log_context
from hostaway_sync.observability.tracing import Span
from hostaway_sync.version import __version__

try:
    from opentelemetry import context, trace
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.trace import SpanKind, StatusCode

    from hostaway_sync.observability.tracing.collector import Collector
except ImportError:
    raise ConfigurationError(
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: `pip install 'hostaway-sync[otel]'`, "
        "or set OTEL_SDK_DISABLED=true"
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Token
    from types import TracebackType
    from uuid import UUID

    from opentelemetry.context import Context

    from hostaway_sync.model.api_calls import ApiCall
    from hostaway_sync.observability.tracing import AttributeValue, SpanKindName

_NAME: Final = "hostaway-sync"
_OURS: Final = "hostaway_sync."
_LONGEST: Final = 300
_MOST_LINKS: Final = 20
_CONTEXT_FIELDS: Final = ("account_id", "run_id", "resource", "job", "request_id")
# Attributes whose text comes from outside.
_FOREIGN: Final = frozenset({"event"})
_KINDS: Final = {"internal": SpanKind.INTERNAL, "consumer": SpanKind.CONSUMER}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_PORTS: Final = {"http": 80, "https": 443}
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500

_given: ContextVar[tuple[int, int] | None] = ContextVar("hostaway_sync_span_ids", default=None)


class OpenTelemetry:
    """The `Tracer` of a process.

    Args:
        endpoint: the collector's URL, from the environment.
        hidden: removes private values from a text.
    """

    def __init__(self, endpoint: str, hidden: Callable[[str], str]) -> None:
        self._hidden = hidden
        self._collector = Collector(endpoint)
        own = {"service.name": _NAME, "service.version": __version__, **OTELResourceDetector().detect().attributes}
        self._provider = TracerProvider(resource=Resource.create(own), id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(self._collector.processor)
        self._tracer = self._provider.get_tracer("hostaway_sync", __version__)

    def start_span(self, name: str, kind: SpanKindName, attributes: dict[str, AttributeValue]) -> Span:
        """Start a span within the current one."""
        span = _RecordingSpan(self._tracer.start_span(name, kind=_KINDS[kind]), self._hidden, frozenset(attributes))
        span.set_attributes(**attributes)
        return span

    def start_request_span(self, own_id: UUID, method: str, route: str) -> Span:
        """Start the root span of a trace; its ids follow from the request's, so that later spans can link to it."""
        method = method if method in _METHODS else "_OTHER"
        ids = _given.set(_ids_of(own_id))
        try:
            own = self._tracer.start_span(
                f"{method} {route}",
                context.Context(),
                SpanKind.SERVER,
                {"http.request.method": method, "http.route": route},
            )
        finally:
            _given.reset(ids)
        return _RecordingSpan(own, self._hidden)

    def current_span(self) -> Span:
        """Return the current span."""
        return _RecordingSpan(trace.get_current_span(), self._hidden)

    def record_request(self, call: ApiCall, api_url: str) -> None:
        """Record the span of an API request that has just ended."""
        now, server = time.time_ns(), urlsplit(api_url)
        attributes: dict[str, AttributeValue] = {
            **_context_attributes(),
            "http.request.method": call.method,
            "url.template": call.route,
            "server.address": server.hostname or "",
            "server.port": server.port or _PORTS[server.scheme],
            f"{_OURS}waited_s": call.waited_s,
        }
        if call.attempt > 1:
            attributes["http.request.resend_count"] = call.attempt - 1
        name, started_at = f"{call.method} {call.route}", now - int(call.duration_s * 1e9)
        own = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=started_at)
        if call.status is not None:
            _set_status_code(own, call.status, error_from=_CLIENT_ERROR)
        else:
            own.set_attribute("error.type", call.failure or "_OTHER")
            own.set_status(StatusCode.ERROR, "no whole answer")
        own.end(now)

    def close(self, within: float) -> None:
        """Export the remaining spans within so many seconds."""
        self._collector.close(self._provider.shutdown, within)


class _RecordingSpan(Span):
    """A recorded span. It ignores attributes after its end, because an abandoned thread may still set some."""

    __slots__ = ("_given", "_hidden", "_own", "_token")
    is_recording = True

    def __init__(self, own: trace.Span, hidden: Callable[[str], str], given: frozenset[str] = frozenset()) -> None:
        self._own = own
        self._hidden = hidden
        self._given = given
        self._token: Token[Context] | None = None

    def __enter__(self) -> Self:
        self._token = context.attach(trace.set_span_in_context(self._own))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.record_error(error)
        self._own.set_attributes(_context_attributes(self._given))
        self._own.end()
        if self._token is not None:
            context.detach(self._token)

    def set_attributes(self, **attributes: AttributeValue) -> None:
        for name, attribute in attributes.items() if self._own.is_recording() else ():
            value = self._shorten(attribute) if name in _FOREIGN and isinstance(attribute, str) else attribute
            self._own.set_attribute(f"{_OURS}{name}", value)

    def record_error(self, error: BaseException) -> None:
        if not self._own.is_recording():
            return
        self._own.set_attribute("error.type", type(error).__name__)
        if isinstance(error, HostawaySyncError):
            if error.advice is not Advice.SKIP:
                self._own.set_status(StatusCode.ERROR, self._shorten(str(error)))
        elif isinstance(error, Exception):
            self._own.set_status(StatusCode.ERROR, f"unexpected {type(error).__name__}")
        else:
            self._own.set_status(StatusCode.ERROR, "stopped")

    def set_status_code(self, status: int) -> None:
        _set_status_code(self._own, status, error_from=_SERVER_ERROR)

    def link_deliveries(self, delivery_ids: Sequence[UUID]) -> None:
        if not self._own.is_recording():
            return
        named = delivery_ids[:_MOST_LINKS]
        self._own.set_attribute(f"{_OURS}delivery_ids", [str(one) for one in named])
        for one in named:
            trace_id, span_id = _ids_of(one)
            sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            self._own.add_link(trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled))

    def _shorten(self, text: str) -> str:
        return self._hidden(text)[:_LONGEST]


class _Ids(RandomIdGenerator):
    """Generates random ids, unless `_given` holds ids."""

    def generate_span_id(self) -> int:
        given = _given.get()
        return super().generate_span_id() if given is None else given[1]

    def generate_trace_id(self) -> int:
        given = _given.get()
        return super().generate_trace_id() if given is None else given[0]


def _ids_of(own_id: UUID) -> tuple[int, int]:
    """Return the trace id and span id of a request: a hash, because samplers need random bits."""
    digest = blake2b(own_id.bytes, digest_size=24).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:])


def _set_status_code(own: trace.Span, status: int, *, error_from: int) -> None:
    own.set_attribute("http.response.status_code", status)
    if status >= error_from:
        own.set_attribute("error.type", str(status))
        own.set_status(StatusCode.ERROR)


def _context_attributes(but: frozenset[str] = frozenset()) -> dict[str, AttributeValue]:
    known = current_log_context()
    return {
        f"{_OURS}{name}": attribute
        for name in _CONTEXT_FIELDS
        if name not in but and isinstance(attribute := known.get(name), str | int)
    }
