"""An OTLP collector: a real HTTP server that records the spans it receives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.servers.recording_server import RecordingServer

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span
    from tests.support.servers.recording_server import RecordedRequest

KINDS = {1: "internal", 2: "server", 3: "client", 5: "consumer"}


@dataclass(frozen=True)
class ReceivedSpan:
    """One span as it was sent; ids are bytes."""

    own: Span
    service: dict[str, Any]

    @property
    def name(self) -> str:
        """Return its name."""
        return self.own.name

    @property
    def kind(self) -> str:
        """Return its kind."""
        return KINDS[self.own.kind]

    @property
    def facts(self) -> dict[str, Any]:
        """Return its attributes, ours without the prefix of our names."""
        return {name.removeprefix("hostaway_sync."): fact for name, fact in _facts(self.own.attributes).items()}

    @property
    def failure(self) -> str | None:
        """Return the message of its error status; None when it did not fail."""
        return self.own.status.message if self.own.status.code == 2 else None

    @property
    def place(self) -> tuple[bytes, bytes]:
        """Return its trace and its id."""
        return self.own.trace_id, self.own.span_id


class OtlpCollector(RecordingServer):
    """A server that receives spans."""

    @property
    def posts(self) -> list[RecordedRequest]:
        """Return the requests with spans."""
        return [heard for heard in self.heard if heard.path == "/v1/traces"]

    @property
    def spans(self) -> list[ReceivedSpan]:
        """Return all received spans, in the order of their ends."""
        found = []
        for post in self.posts:
            assert post.headers["content-type"] == "application/x-protobuf"
            for sender in ExportTraceServiceRequest.FromString(post.body).resource_spans:
                service = _facts(sender.resource.attributes)
                found += [ReceivedSpan(span, service) for scope in sender.scope_spans for span in scope.spans]
        return found

    def named(self, name: str) -> list[ReceivedSpan]:
        """Return the spans of this name."""
        return [span for span in self.spans if span.name == name]

    def below(self, parent: ReceivedSpan) -> list[ReceivedSpan]:
        """Return the direct children of a span."""
        return [span for span in self.spans if (span.own.trace_id, span.own.parent_span_id) == parent.place]

    def roots(self) -> list[ReceivedSpan]:
        """Return the spans without a parent."""
        return [span for span in self.spans if not span.own.parent_span_id]


def _facts(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in _pairs(attributes)}


def _pairs(attributes: Any) -> list[KeyValue]:
    return list(attributes)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind) if kind else None
