"""Spans as OpenTelemetry has them; its only importer, which is imported only where spans are made.

Names and values of facts about HTTP are those of its semantic conventions; facts of ours begin with `hostaway_sync.`.
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

    from hostaway_sync.observability.tracing import AttributeValue, Request, SpanKindName

_NAME: Final = "hostaway-sync"
_OURS: Final = "hostaway_sync."
_LONGEST: Final = 300
_MOST_LINKS: Final = 20
_CIRCUMSTANCES: Final = ("account_id", "run_id", "resource", "job", "request_id")
# Words that somebody else chose.
_FREE: Final = frozenset({"event"})
_KINDS: Final = {"internal": SpanKind.INTERNAL, "consumer": SpanKind.CONSUMER}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_PORTS: Final = {"http": 80, "https": 443}
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500

_given: ContextVar[tuple[int, int] | None] = ContextVar("hostaway_sync_span_ids", default=None)


class OpenTelemetry:
    """A `Tracer` for the life of a process.

    Args:
        endpoint: the collector's address, as the environment has it.
        hidden: leaves out of a text what must not be said.
    """

    def __init__(self, endpoint: str, hidden: Callable[[str], str]) -> None:
        self._hidden = hidden
        self._collector = Collector(endpoint)
        own = {"service.name": _NAME, "service.version": __version__, **OTELResourceDetector().detect().attributes}
        self._provider = TracerProvider(resource=Resource.create(own), id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(self._collector.processor)
        self._tracer = self._provider.get_tracer("hostaway_sync", __version__)

    def start_span(self, name: str, kind: SpanKindName, facts: dict[str, AttributeValue]) -> Span:
        """Make a span within the innermost one."""
        made = _RecordingSpan(self._tracer.start_span(name, kind=_KINDS[kind]), self._hidden, frozenset(facts))
        made.set_attributes(**facts)
        return made

    def start_delivery_span(self, delivery_id: UUID, method: str, route: str) -> Span:
        """Make the root of a trace; its ids follow from the delivery's, so that others can name it."""
        method = method if method in _METHODS else "_OTHER"
        ids = _given.set(_ids_of(delivery_id))
        try:
            own = self._tracer.start_span(
                f"{method} {route}",
                context.Context(),
                SpanKind.SERVER,
                {"http.request.method": method, "http.route": route, f"{_OURS}delivery_id": str(delivery_id)},
            )
        finally:
            _given.reset(ids)
        return _RecordingSpan(own, self._hidden)

    def current_span(self) -> Span:
        """Give the span that goes on."""
        return _RecordingSpan(trace.get_current_span(), self._hidden)

    def record_request(self, request: Request, api_url: str) -> None:
        """Take a request that has just ended."""
        now, there = time.time_ns(), urlsplit(api_url)
        facts: dict[str, AttributeValue] = {
            **_circumstances(),
            "http.request.method": request.method,
            "url.template": request.route,
            "server.address": there.hostname or "",
            "server.port": there.port or _PORTS[there.scheme],
            f"{_OURS}waited_s": request.waited_s,
        }
        if request.attempt > 1:
            facts["http.request.resend_count"] = request.attempt - 1
        name, began = f"{request.method} {request.route}", now - int(request.duration_s * 1e9)
        own = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=facts, start_time=began)
        if request.status is not None:
            _answer(own, request.status, error_from=_CLIENT_ERROR)
        else:
            own.set_attribute("error.type", request.failure or "_OTHER")
            own.set_status(StatusCode.ERROR, "no whole answer")
        own.end(now)

    def close(self, within: float) -> None:
        """Hand over what is left, in so many seconds."""
        self._collector.close(self._provider.shutdown, within)


class _RecordingSpan(Span):
    """Says nothing once it has ended: a thread may go on for a while with what nobody waits for any more."""

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
        self._own.set_attributes(_circumstances(self._given))
        self._own.end()
        if self._token is not None:
            context.detach(self._token)

    def set_attributes(self, **facts: AttributeValue) -> None:
        for name, fact in facts.items() if self._own.is_recording() else ():
            known = self._shortened(fact) if name in _FREE and isinstance(fact, str) else fact
            self._own.set_attribute(f"{_OURS}{name}", known)

    def record_error(self, error: BaseException) -> None:
        if not self._own.is_recording():
            return
        self._own.set_attribute("error.type", type(error).__name__)
        if isinstance(error, HostawaySyncError):
            if error.advice is not Advice.SKIP:
                self._own.set_status(StatusCode.ERROR, self._shortened(str(error)))
        elif isinstance(error, Exception):
            self._own.set_status(StatusCode.ERROR, f"unexpected {type(error).__name__}")
        else:
            self._own.set_status(StatusCode.ERROR, "stopped")

    def set_status_code(self, status: int) -> None:
        _answer(self._own, status, error_from=_SERVER_ERROR)

    def link_deliveries(self, delivery_ids: Sequence[UUID]) -> None:
        if not self._own.is_recording():
            return
        named = delivery_ids[:_MOST_LINKS]
        self._own.set_attribute(f"{_OURS}delivery_ids", [str(one) for one in named])
        for one in named:
            trace_id, span_id = _ids_of(one)
            sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
            self._own.add_link(trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=sampled))

    def _shortened(self, text: str) -> str:
        return self._hidden(text)[:_LONGEST]


class _Ids(RandomIdGenerator):
    """Draws ids, but where they are given."""

    def generate_span_id(self) -> int:
        given = _given.get()
        return super().generate_span_id() if given is None else given[1]

    def generate_trace_id(self) -> int:
        given = _given.get()
        return super().generate_trace_id() if given is None else given[0]


def _ids_of(delivery_id: UUID) -> tuple[int, int]:
    """Give trace and span of a delivery; hashed, because samplers need bits that are all random."""
    digest = blake2b(delivery_id.bytes, digest_size=24).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:])


def _answer(own: trace.Span, status: int, *, error_from: int) -> None:
    own.set_attribute("http.response.status_code", status)
    if status >= error_from:
        own.set_attribute("error.type", str(status))
        own.set_status(StatusCode.ERROR)


def _circumstances(but: frozenset[str] = frozenset()) -> dict[str, AttributeValue]:
    known = current_log_context()
    return {
        f"{_OURS}{name}": fact
        for name in _CIRCUMSTANCES
        if name not in but and isinstance(fact := known.get(name), str | int)
    }
