"""Put the answer to each request into a span that has the name of its route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.observability.tracing import start_request_span

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


def trace_requests(app: ASGIApp, route: str) -> ASGIApp:
    """Wrap what answers the requests to one route, so that each answer runs within a span.

    Args:
        app: answers requests whose scopes have an `own_id`, see `assign_request_ids`.
        route: the template of the path, such as `/listings/{id}`; a span never has the path itself.
    """

    async def answer_traced(scope: Scope, receive: Receive, send: Send) -> None:
        with start_request_span(scope["own_id"], scope["method"], route) as span:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_status_code(message["status"])
                await send(message)

            await app(scope, receive, send_noted)

    return answer_traced
