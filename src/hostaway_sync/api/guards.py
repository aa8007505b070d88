"""What stands before every route: request ids, limits of size and time, headers against misuse, one line of log."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from hostaway_sync.api.problems import Problem, ProblemKind, problem_response
from hostaway_sync.observability.metric_catalog import HTTP_REQUESTS, HTTP_SECONDS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hostaway_sync.observability.meter import Meter

LARGEST_BODY: Final = 1024 * 1024
LONGEST_ANSWER_S: Final = 30.0
# What may take longer: an answer that is waited for, and one that has no end.
_LONGER: Final = {"/api/v1/changes": 2 * LONGEST_ANSWER_S, "/api/v1/changes/stream": None}
_UNKNOWN: Final = "unknown"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)

# What every open page asks every two seconds.
_INCESSANT: Final = {"/page/version"}

log = logging.getLogger(__name__)


class Guards:
    """An ASGI application around another one.

    Args:
        app: answers; its scopes have a `request_id`.
        meter: counts and measures requests.
    """

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began_at = time.monotonic()
        sent = _Sent(send)
        body = _LimitedBody(receive)
        try:
            async with asyncio.timeout(_LONGER.get(scope["path"], LONGEST_ANSWER_S)):
                await self._app(scope, body.receive, sent.send)
        except TimeoutError:
            kind = ProblemKind.TOO_SLOW if body.is_awaited else ProblemKind.OVERTIME
            await _refuse(scope, body, sent, Problem(kind))
        except Exception as error:
            log.exception("api: unexpected %s", type(error).__name__)
            await _refuse(scope, body, sent, Problem(ProblemKind.INTERNAL))
        route = getattr(scope.get("route"), "path", _UNKNOWN)
        took = time.monotonic() - began_at
        # A stranger may send any method.
        method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
        self._meter.count(HTTP_REQUESTS, method, route, "none" if sent.status is None else str(sent.status))
        self._meter.observe(HTTP_SECONDS, method, route, seconds=(sent.began_at or time.monotonic()) - began_at)
        level = logging.DEBUG if route in _INCESSANT else logging.INFO
        said = (method, route, sent.status, took, scope.get("caller", "none"))
        log.log(level, "api: %s %s: %s in %.3f s, caller %s", *said)


class _LimitedBody:
    """The body of a request, of which no more than a megabyte is read.

    Attributes:
        is_whole: all of it was read.
        is_awaited: a piece of it is waited for, or was when the request was cut.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size = 0
        self.is_whole = False
        self.is_awaited = False

    async def receive(self) -> Message:
        """Return the next piece.

        Raises:
            Problem: there is too much of it; the application answers with that, as with any other.
        """
        self.is_awaited = not self.is_whole
        message = await self._receive()  # where this is cut, the client was too slow, and not the application
        self.is_awaited = False
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
            if self._size > LARGEST_BODY:
                detail = f"the body has more than {LARGEST_BODY} bytes"
                raise Problem(ProblemKind.TOO_LARGE, detail, headers={"Connection": "close"})
        return message


class _Sent:
    """What was sent of an answer, with the headers that every answer has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.began_at: float | None = None

    async def send(self, message: Message) -> None:
        """Send a piece."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.began_at = time.monotonic()
            given = {name.lower() for name, _ in message.get("headers", ())}
            message["headers"] = [
                *message.get("headers", ()),
                *((name, value) for name, value in _HEADERS if name not in given),
            ]
        await self._send(message)


async def _refuse(scope: Scope, body: _LimitedBody, sent: _Sent, problem: Problem) -> None:
    if sent.status is not None:
        return  # an answer that was begun cannot become another one; the server cuts the connection
    response = problem_response(problem, scope["request_id"])
    if not body.is_whole:
        response.headers["Connection"] = "close"
    await response(scope, body.receive, sent.send)
