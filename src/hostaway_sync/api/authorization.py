"""Who calls, and whether the caller may: decided in one place, before a parameter or a body is read.

401   no caller: no key, no token, or none that is valid
403   the caller lacks the scope of the route, whatever the row
429   the caller has no request left
404   the row is not the caller's, as if it were not there (the routes ask for their row before they judge the body)
422   what is asked for is not valid
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from contextlib import nullcontext
from ipaddress import IPv6Network, ip_address
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from hostaway_sync.api.local import is_local
from hostaway_sync.api.problems import Problem, ProblemKind
from hostaway_sync.api.refusals import HANDLERS, refuse
from hostaway_sync.app.api_keys import acting_for
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.callers import Access, Scope
from hostaway_sync.observability.tracing import start_request_span

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from hostaway_sync.api.turns import Turns
    from hostaway_sync.model.callers import Caller

TRUSTED_FOR_S: Final = 5.0
"""How long a key is trusted without a look into the database: a revoked one works no longer than this."""

SCOPE_MEMBER: Final = "x-scope"
"""The member of an operation, in the document of the API, that names its scope."""

FAILURES: Final = 30
FAILURE_WINDOW_S: Final = 60.0
_MOST_KEPT: Final = 10_000
_BODILESS: Final = frozenset({"GET", "HEAD"})
_LONGEST_TOKEN: Final = 8192
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="hostaway-sync"'}

Endpoint = TypeVar("Endpoint", bound="Callable[..., Any]")


class Callers:
    """Finds the caller of a key or token; safe to use from several threads.

    Args:
        authenticate: returns who a key or token belongs to; None: it proves no caller. It blocks, and takes the same
            time for both.
        seconds: a monotonic clock.
    """

    def __init__(
        self, authenticate: Callable[[str], Caller | None], *, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._authenticate = authenticate
        self._seconds = seconds
        self._lock = Lock()
        self._trusted: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def recall(self, token: str) -> Caller | None:
        """Return the caller of a key that was checked a moment ago; None: it must be checked."""
        with self._lock:
            checked_at, caller = self._trusted.get(_digest(token), (float("-inf"), None))
        return caller if self._seconds() - checked_at < TRUSTED_FOR_S else None

    def check(self, token: str, address: str) -> Caller:
        """Return the caller of a key; it blocks.

        Args:
            token: as it was sent.
            address: from which it was sent; an address that sent many wrong ones waits for a minute, and of IPv6 the
                whole network /64 with it: who has one has 2**64 addresses. A key that was right before does not wait:
                it may share the address of a proxy with a stranger who guesses.

        Raises:
            Problem: it proves no caller, or its address must wait.
        """
        address, digest = _network(address), _digest(token)
        with self._lock:
            was_right = digest in self._trusted
        if not was_right:
            self._require_patience(address)
        caller = self._authenticate(token) if len(token) <= _LONGEST_TOKEN else None
        with self._lock:
            if caller is None:
                self._trusted.pop(digest, None)
                began_at, count = self._failures.get(address, (self._seconds(), 0))
                self._failures[address] = began_at, count + 1
                _shrink(self._failures)
            else:
                self._trusted[digest] = self._seconds(), caller
                self._trusted.move_to_end(digest)
                _shrink(self._trusted)
        if caller is None:
            raise unauthenticated()
        return caller

    def _require_patience(self, address: str) -> None:
        with self._lock:
            began_at, count = self._failures.get(address, (0.0, 0))
            left = began_at + FAILURE_WINDOW_S - self._seconds()
            if count and left <= 0:
                del self._failures[address]
            elif count >= FAILURES:
                wait = str(max(1, round(left)))
                detail = f"many wrong keys came from this address: try again in {wait} seconds"
                raise Problem(ProblemKind.TOO_MANY, detail, headers={"Retry-After": wait})


def unauthenticated() -> Problem:
    """Return the problem of a request without a caller, whatever the reason: guessing learns nothing."""
    detail = "send a key as `Authorization: Bearer hsk_…` or as `X-API-Key: hsk_…`"
    return Problem(ProblemKind.UNAUTHENTICATED, detail, headers=_CHALLENGE)


def needs(
    scope: Scope,
    row: Callable[[Request], object] | None = None,
    *,
    row_of_body: Callable[[Request, Mapping[str, Any]], object] | None = None,
    waits: bool = False,
) -> Callable[[Endpoint], Endpoint]:
    """Declare which scope a route needs, and which row of the caller's it is about.

    Args:
        scope: without which the answer is 403.
        row: finds the row, and raises the problem 404 where the caller has none; it blocks. None: about no single row.
        row_of_body: the same, where the body names the row; it gets the members of the body, which are not checked yet.
        waits: whether it only waits most of the time, and takes no turn of its caller's.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__.update(scope=scope, row=row, row_of_body=row_of_body, waits=waits)
        return endpoint

    return declare


class AuthorizedRoute(APIRoute):
    """A route whose endpoint says with `needs` who may ask; without it the route is not made."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401  (those of FastAPI)
        options["openapi_extra"] = {SCOPE_MEMBER: endpoint.scope.value}  # type: ignore[attr-defined]  # see `needs`
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind the checks of caller, scope and row."""
        handle = super().get_route_handler()
        scope: Scope = self.endpoint.scope  # type: ignore[attr-defined]  # see `needs`
        row: Callable[[Request], object] | None = self.endpoint.row  # type: ignore[attr-defined]
        row_of_body = self.endpoint.row_of_body  # type: ignore[attr-defined]
        waits: bool = self.endpoint.waits  # type: ignore[attr-defined]

        async def authorize(request: Request) -> Response:
            caller = await _find_caller(request)
            request.state.caller = caller
            request.scope["caller"] = caller.name
            if not caller.may(scope):
                raise Problem(ProblemKind.SCOPE_MISSING, f"this needs the scope {scope}", scope=str(scope))
            await count_request(request, caller)
            # FastAPI would take a body that is too large for one that is no JSON. A slow one takes no turn.
            members = await _read_members(request) if row_of_body is not None else {}
            if request.method not in _BODILESS:
                await request.body()
            turns: Turns = request.app.state.turns
            async with nullcontext() if waits else turns.of(caller.identity):
                if row is not None:
                    request.state.row = await run_in_threadpool(row, request)
                if row_of_body is not None:
                    request.state.row = await run_in_threadpool(row_of_body, request, members)
                with acting_for(caller.name):
                    return await handle(request)

        return _traced(authorize)


def _traced(
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Put the answers of a handler into spans that have the name of its route, refusals and all."""

    async def answer(request: Request) -> Response:
        scope = request.scope
        with start_request_span(scope["own_id"], request.method, scope["route"].path) as span:
            try:
                response = await handle(request)
            except tuple(HANDLERS) as error:
                response = refuse(request, error)
            span.set_status_code(response.status_code)
        return response

    return answer


async def require_inspector(request: Request) -> None:
    """Let who is on this machine, or may administer all accounts, look at how this process does.

    Raises:
        Problem: the request comes from elsewhere, and without such a key.
    """
    if is_local(request.client.host if request.client else None, request.headers):
        return
    caller = await _find_caller(request)
    if not caller.may(Scope.ADMIN) or caller.access != Access.everything():
        detail = f"this needs the scope {Scope.ADMIN} for all accounts"
        raise Problem(ProblemKind.SCOPE_MISSING, detail, scope=str(Scope.ADMIN))


async def may_inspect(request: Request) -> bool:
    """Whether `require_inspector` lets a request pass."""
    try:
        await require_inspector(request)
    except (Problem, HostawaySyncError):
        return False
    return True


async def _find_caller(request: Request) -> Caller:
    token = _read_token(request)
    if token is None:
        raise unauthenticated()
    callers: Callers = request.app.state.callers
    known = callers.recall(token)
    if known is not None:
        return known
    address = request.client.host if request.client else ""
    return await run_in_threadpool(callers.check, token, address)


async def count_request(request: Request, caller: Caller) -> None:
    """Count a request of a caller.

    Raises:
        Problem: it has no request left for now.
    """
    wait = await run_in_threadpool(request.app.state.take, caller)
    if wait:
        seconds = str(max(1, math.ceil(wait.total_seconds())))
        detail = f"this caller has no request left: try again in {seconds} seconds"
        raise Problem(ProblemKind.TOO_MANY, detail, headers={"Retry-After": seconds})


async def _read_members(request: Request) -> Mapping[str, Any]:
    """Return the members of a body; none where it is no JSON object, which the route says when it reads the body."""
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _read_token(request: Request) -> str | None:
    """Return the key of a request; None where there is none, or two."""
    found = [value for name in ("authorization", "x-api-key") for value in request.headers.getlist(name)]
    if len(found) != 1:
        return None
    if "x-api-key" in request.headers:
        return found[0].strip() or None
    scheme, _, token = found[0].strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else str(IPv6Network((int(parsed), 64), strict=False))  # noqa: PLR2004


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _shrink(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
