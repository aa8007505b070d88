"""The application: its routes, and what every request meets on its way to one of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from hostaway_sync.api.authorization import Callers
from hostaway_sync.api.guards import Guards
from hostaway_sync.api.openapi import describe
from hostaway_sync.api.page import fleet, objects, reference, sign_in, waiting
from hostaway_sync.api.refusals import HANDLERS
from hostaway_sync.api.routes import ROUTERS, graphql
from hostaway_sync.api.turns import Turns
from hostaway_sync.http_server.metrics_page import MetricsPage
from hostaway_sync.http_server.readiness import Readiness, ReadinessCheck
from hostaway_sync.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi.telemetry import TelemetryConfig
    from starlette.types import ASGIApp

    from hostaway_sync.api.changes.alerts import ChangeAlerts
    from hostaway_sync.app.api.state import ApiState
    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.model.callers import Caller

_TITLE: Final = "hostaway-sync"
# FastAPI would send spans and logs of its own where the environment names a collector: with paths, ids and values.
_SILENT: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
_CORS_SECONDS: Final = 600
_OBSERVERS: Final = 2
_CHECK_WITHIN_S: Final = 5.0
_PAGE: Final = (sign_in.router, sign_in.with_session, fleet.router, waiting.router, objects.router, reference.router)


def create_app(
    mirror: Mirror,
    authenticate: Callable[[str], Caller | None],
    alerts: ChangeAlerts,
    *,
    origins: Sequence[str] = (),
) -> ASGIApp:
    """Return the application.

    Args:
        mirror: answers.
        authenticate: returns who a key or token belongs to; None: it proves no caller.
        alerts: wakes requests that wait for changes.
        origins: of pages whose scripts may ask; none: no page of another origin may.
    """
    app = FastAPI(
        title=_TITLE,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(CORSMiddleware, allow_origins=origins, **_CORS)] if origins else [],
        telemetry=_SILENT,
    )
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.state.mirror = mirror
    app.state.callers = Callers(authenticate)
    app.state.alerts = alerts
    app.state.turns = Turns()
    app.state.readiness, app.state.metrics = _observers(mirror.api_state)
    app.state.take = mirror.api_limits.take
    app.state.routers = (*ROUTERS, *_PAGE, graphql.make_router())
    for router in app.state.routers:
        app.include_router(router)
    # It takes a second to make, and asking needs no key. An error is not kept.
    app.openapi = cache(partial(describe, app, mirror))  # type: ignore[method-assign]
    return Guards(app, mirror.api_state.meter)


def _observers(state: ApiState) -> tuple[ReadinessCheck[Readiness], MetricsPage]:
    pool = ThreadPoolExecutor(_OBSERVERS, thread_name_prefix="api-state")
    ready = ReadinessCheck(
        state.check,
        state.failed,
        pool,
        timeout_s=_CHECK_WITHIN_S,
        timeout_trouble="the database did not answer",
        log_prefix="api: not ready",
    )
    return ready, MetricsPage(state.meter, state.read_metrics, state.list_unavailable, pool)


_CORS: Final[dict[str, Any]] = {
    "allow_methods": ["GET", "POST", "PATCH", "DELETE"],
    "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-API-Key"],
    "expose_headers": ["ETag", "Idempotent-Replayed", "Location", "Retry-After", "X-Request-ID"],
    "max_age": _CORS_SECONDS,
}
