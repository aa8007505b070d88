"""Give every request an id, which its answer and all log lines about it carry."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from hostaway_sync.model.deliveries import REQUEST_ID, read_request_id
from hostaway_sync.observability.log_context import log_context

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


def assign_request_ids(app: ASGIApp) -> ASGIApp:
    """Wrap an application so that its scopes have a `request_id` and a `delivery_id`, which is a new UUID.

    Both are the same, unless a proxy gave the request an id. A delivery is never stored under an id that another
    program chose: a second one with that id would count as stored before.
    """
    header = REQUEST_ID.encode()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        own = uuid4()
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == header]
        request_id = read_request_id({REQUEST_ID: ", ".join(given)}) or str(own)
        scope.update(delivery_id=own, request_id=request_id)

        async def send_numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (header, request_id.encode())]
            await send(message)

        with log_context(request_id=request_id):
            await app(scope, receive, send_numbered)

    return answer
