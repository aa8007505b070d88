"""Give every request an id, which its answer and all log lines about it carry."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from hostaway_sync.observability.log_context import log_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADER: Final = b"x-request-id"
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def parse_request_id(given: str) -> str | None:
    """Return the request id that a caller chose, or None if it is not well-formed."""
    return given if _WELL_FORMED.fullmatch(given) else None


def assign_request_ids(app: ASGIApp, *, parse: Callable[[str], str | None] = parse_request_id) -> ASGIApp:
    """Wrap an application so that its scopes have a `request_id` and an `own_id`, which is a new UUID.

    Both are the same, unless the caller gave the request an id in `X-Request-ID`. Nothing is ever stored under an id
    that another program chose: a second request with that id would count as stored before.

    Args:
        app: answers the requests.
        parse: returns a given id if it is accepted, else None.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        own = uuid4()
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER]
        request_id = parse(", ".join(given)) or str(own)
        scope.update(own_id=own, request_id=request_id)

        async def send_numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_HEADER, request_id.encode())]
            await send(message)

        with log_context(request_id=request_id):
            await app(scope, receive, send_numbered)

    return answer
