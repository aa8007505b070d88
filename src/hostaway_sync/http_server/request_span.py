"""Put the answer to each delivery into a span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.observability.tracing import start_delivery_span

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response


def trace_deliveries(
    answer: Callable[[Request], Awaitable[Response]], route: str
) -> Callable[[Request], Awaitable[Response]]:
    """Wrap the handler of deliveries at this route, so that each runs within a span."""

    async def answer_traced(request: Request) -> Response:
        with start_delivery_span(request.scope["delivery_id"], request.method, route) as span:
            response = await answer(request)
            span.set_status_code(response.status_code)
            return response

    return answer_traced
