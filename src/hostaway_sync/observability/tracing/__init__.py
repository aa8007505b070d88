"""Spans: what the program does, how long each part takes, and which span contains it.

    with span("write listings") as writing:
        writing.note(rows_inserted=3)

They are made where `switching` found in the environment where they go; else nobody is told, which costs next to
nothing. What a log line is about, a span is about as well: it takes it from `circumstances`, when it ends.

A fact is a number, or a word of ours or the source's; never a payload, a statement, a URL or a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from uuid import UUID

AttributeValue: TypeAlias = "str | int | float | bool"
SpanKindName: TypeAlias = Literal["internal", "consumer"]


class Span:
    """Something that is going on, of which nobody is told; a context manager.

    Attributes:
        is_recording: somebody is, so that facts are worth counting.
    """

    __slots__ = ()
    is_recording = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; with an error it failed."""

    def set_attributes(self, **facts: AttributeValue) -> None:
        """Say more of it."""

    def record_error(self, error: BaseException) -> None:
        """Say that it failed, unless what is wrong is only that an object is not there or not ours to read."""

    def set_status_code(self, status: int) -> None:
        """Say with which HTTP status it was answered."""

    def link_deliveries(self, delivery_ids: Sequence[UUID]) -> None:
        """Say which deliveries it was made necessary by."""


class Tracer(Protocol):
    """Who makes spans that somebody is told of; see the functions of this module."""

    def start_span(self, name: str, kind: SpanKindName, facts: dict[str, AttributeValue]) -> Span:
        """Make a span within the innermost one."""
        ...

    def start_delivery_span(self, delivery_id: UUID, method: str, route: str) -> Span:
        """Make the span of a delivery."""
        ...

    def current_span(self) -> Span:
        """Give the span that goes on."""
        ...

    def record_request(self, request: Request, api_url: str) -> None:
        """Take a request that has just ended."""
        ...

    def close(self, within: float) -> None:
        """Hand over what is left, in so many seconds."""
        ...


class Request(Protocol):
    """A request to the source, as far as its span tells; see `ApiCall`."""

    @property
    def method(self) -> str:
        """Of HTTP."""
        ...

    @property
    def route(self) -> str:
        """The path with `{id}` for each number."""
        ...

    @property
    def status(self) -> int | None:
        """Of the answer; None when none came whole."""
        ...

    @property
    def failure(self) -> str | None:
        """Class of what kept the answer away."""
        ...

    @property
    def duration_s(self) -> float:
        """From its departure to its end."""
        ...

    @property
    def waited_s(self) -> float:
        """Seconds that the budget kept it back before."""
        ...

    @property
    def attempt(self) -> int:
        """Counted from 1."""
        ...


class Switch:
    """Whether spans are made in this process, and by whom."""

    tracer: Tracer | None = None


switch = Switch()
_NOBODY = Span()


def start_span(name: str, *, kind: SpanKindName = "internal", **facts: AttributeValue) -> Span:
    """Begin something, to be ended as a context manager by whoever began it, in the same thread or task."""
    return _NOBODY if switch.tracer is None else switch.tracer.start_span(name, kind, facts)


def start_delivery_span(delivery_id: UUID, method: str, route: str) -> Span:
    """Begin to answer a delivery, which is part of nothing; `route` is its path without what is secret in it."""
    return _NOBODY if switch.tracer is None else switch.tracer.start_delivery_span(delivery_id, method, route)


def current_span() -> Span:
    """Give what goes on here, to say more of it; whoever began it ends it."""
    return _NOBODY if switch.tracer is None else switch.tracer.current_span()


def record_request(request: Request, api_url: str) -> None:
    """Tell of a request to the source, which is there, that has just ended, as a part of what goes on."""
    if switch.tracer is not None:
        switch.tracer.record_request(request, api_url)


def stop_tracing(within: float) -> None:
    """Make no more spans, and hand over those that are left in so many seconds."""
    tracer, switch.tracer = switch.tracer, None
    if tracer is not None:
        tracer.close(within)
