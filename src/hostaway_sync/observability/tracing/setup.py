"""Starts recording spans if OpenTelemetry's own variables name a collector; otherwise imports nothing of it."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.observability.tracing import switch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTERS: Final = "OTEL_TRACES_EXPORTER"
_DISABLED: Final = "OTEL_SDK_DISABLED"
_ADDRESS: Final = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)

log = logging.getLogger(__name__)


def start_tracing(environment: Mapping[str, str], hidden: Callable[[str], str]) -> None:
    """Record spans from now on, if the environment names a collector.

    Args:
        environment: the variables of the process.
        hidden: removes private values from a text.

    Raises:
        ConfigurationError: the variables name a collector, but one of them is invalid.
    """
    endpoint = _endpoint(environment)
    if endpoint is None or switch.tracer is not None:
        return
    from hostaway_sync.observability.tracing.otel import OpenTelemetry

    try:
        switch.tracer = OpenTelemetry(endpoint, hidden)
    except ValueError as error:
        raise ConfigurationError(f"OpenTelemetry refuses one of its variables: {hidden(str(error))}") from None


def _endpoint(environment: Mapping[str, str]) -> str | None:
    """Return the collector's URL, or None if no spans are recorded. An empty variable counts as unset."""
    name = _first(environment, ENDPOINTS)
    if name is None or environment.get(_DISABLED, "").strip().lower() == "true":
        return None
    exporters = {word.strip().lower() for word in environment.get(_EXPORTERS, "").split(",")} - {""}
    if exporters == {"none"}:
        return None
    protocol = _first(environment, _PROTOCOLS)
    if exporters and "otlp" not in exporters:
        _warn_unsupported(_EXPORTERS, "otlp")
        return None
    if protocol is not None and environment[protocol].strip().lower() != "http/protobuf":
        _warn_unsupported(protocol, "http/protobuf")
        return None
    endpoint = environment[name].strip()
    if not _ADDRESS.fullmatch(endpoint):
        raise ConfigurationError(f"{name} is no address of a collector: write http://host:4318 or https://host")
    return endpoint


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if environment.get(name, "").strip()), None)


def _warn_unsupported(name: str, known: str) -> None:
    """Warn that no spans are sent. It is no error, because the variable may be meant for all programs of a machine."""
    log.warning("no spans are sent: of %s only %s is known here", name, known)
