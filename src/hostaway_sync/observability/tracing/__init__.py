"""Spans of OpenTelemetry: what the program does, how long each part takes, and which span contains it.

    with start_span("write listings") as span:
        span.set_attributes(rows_inserted=3)

Spans are recorded if `setup` found a collector in the environment; otherwise the functions here do next to nothing.
When a span ends, it gets the fields of `log_context` as attributes.

An attribute is a number, or a word of ours or of the platform; never a payload, a statement, a URL or a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from uuid import UUID

    from hostaway_sync.model.api_calls import ApiCall

AttributeValue: TypeAlias = "str | int | float | bool"
SpanKindName: TypeAlias = Literal["internal", "consumer"]


class Span:
    """A span that is not recorded; a context manager.

    Attributes:
        is_recording: the span is recorded, so that its attributes are worth computing.
    """

    __slots__ = ()
    is_recording = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span; with an error, it failed."""

    def set_attributes(self, **attributes: AttributeValue) -> None:
        """Set attributes of the span."""

    def record_error(self, error: BaseException) -> None:
        """Mark the span as failed, unless the error is only a missing or forbidden object."""

    def set_status_code(self, status: int) -> None:
        """Set the HTTP status of the response."""

    def link_deliveries(self, delivery_ids: Sequence[UUID]) -> None:
        """Link the span to the deliveries that caused it."""


class Tracer(Protocol):
    """Makes recorded spans; see the functions of this module. `otel` has the one implementation.

    A Protocol, because `otel` imports this module, and only a program that records spans imports `otel`.
    """

    def start_span(self, name: str, kind: SpanKindName, attributes: dict[str, AttributeValue]) -> Span:
        """Start a span within the current one."""
        ...

    def start_request_span(self, own_id: UUID, method: str, route: str) -> Span:
        """Start the span of a request to this program."""
        ...

    def current_span(self) -> Span:
        """Return the current span."""
        ...

    def record_request(self, call: ApiCall, api_url: str) -> None:
        """Record the span of an API request that has just ended."""
        ...

    def close(self, within: float) -> None:
        """Export the remaining spans within so many seconds."""
        ...


class Switch:
    """Holds the tracer of this process; without one, no span is recorded."""

    tracer: Tracer | None = None


switch = Switch()
_NOBODY = Span()


def start_span(name: str, *, kind: SpanKindName = "internal", **attributes: AttributeValue) -> Span:
    """Start a span within the current one; end it as a context manager, in the same thread or task."""
    return _NOBODY if switch.tracer is None else switch.tracer.start_span(name, kind, attributes)


def start_request_span(own_id: UUID, method: str, route: str) -> Span:
    """Start the root span of a request to this program; `route` is the template of its path.

    The id is of our own making; a delivery is stored under it, so that `link_deliveries` finds this span.
    """
    return _NOBODY if switch.tracer is None else switch.tracer.start_request_span(own_id, method, route)


def current_span() -> Span:
    """Return the current span, to set attributes; the code that started it ends it."""
    return _NOBODY if switch.tracer is None else switch.tracer.current_span()


def record_request(call: ApiCall, api_url: str) -> None:
    """Record an API request that has just ended as a span within the current one."""
    if switch.tracer is not None:
        switch.tracer.record_request(call, api_url)


def stop_tracing(within: float) -> None:
    """Record no more spans, and export the remaining ones within so many seconds."""
    tracer, switch.tracer = switch.tracer, None
    if tracer is not None:
        tracer.close(within)
