"""Every exception as a problem: those of the program by their kind, those of the framework without what was sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from hostaway_sync.api.problems import Problem, ProblemKind, problem_response
from hostaway_sync.errors import (
    AccountError,
    AmbiguousRecord,
    ConfigurationError,
    CredentialsRejected,
    HostawaySyncError,
    LeaseHeld,
    MessageRefused,
    MessageUnsettled,
    NotFound,
    RateLimited,
    SecretsUnavailable,
    SourceError,
    StoreBusy,
    StoreError,
    StoreUnavailable,
    UsageError,
    WriteRefused,
    WriteUnsettled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger(__name__)

# The first class that an error is of decides.
_KINDS: Final[tuple[tuple[type[HostawaySyncError], ProblemKind], ...]] = (
    (AmbiguousRecord, ProblemKind.AMBIGUOUS),
    (UsageError, ProblemKind.INVALID),
    (StoreUnavailable, ProblemKind.UNAVAILABLE),
    (StoreBusy, ProblemKind.UNAVAILABLE),
    (StoreError, ProblemKind.INTERNAL),
    (SecretsUnavailable, ProblemKind.UNAVAILABLE),
    (ConfigurationError, ProblemKind.UNAVAILABLE),
    (LeaseHeld, ProblemKind.CONFLICT),
    (AccountError, ProblemKind.CONFLICT),
    (MessageRefused, ProblemKind.CONFLICT),
    (MessageUnsettled, ProblemKind.CONFLICT),
    (WriteRefused, ProblemKind.CONFLICT),
    (WriteUnsettled, ProblemKind.CONFLICT),
    (CredentialsRejected, ProblemKind.INVALID),
    (NotFound, ProblemKind.NOT_FOUND),
    (RateLimited, ProblemKind.UNAVAILABLE),
    (SourceError, ProblemKind.SOURCE),
)
# What only an operator can mend says nothing of itself to a caller; the log has the sentence.
_INWARD: Final = (StoreError, ConfigurationError, SecretsUnavailable)
_OF_STATUS: Final = {
    404: ProblemKind.NOT_FOUND,
    405: ProblemKind.METHOD_NOT_ALLOWED,
    413: ProblemKind.TOO_LARGE,
    415: ProblemKind.MEDIA_TYPE,
}
_RETRY: Final = {"Retry-After": "5"}
_MOST_SAID: Final = 20


def problem_of(error: HostawaySyncError) -> Problem:
    """Return an error of the program as a problem."""
    kind = next((kind for family, kind in _KINDS if isinstance(error, family)), ProblemKind.CONFLICT)
    headers = _RETRY if kind is ProblemKind.UNAVAILABLE else None
    return Problem(kind, None if isinstance(error, _INWARD) else str(error), headers=headers)


def _refuse(request: Request, error: Problem) -> Response:
    return problem_response(error, request.scope["request_id"])


def _refuse_program_error(request: Request, error: HostawaySyncError) -> Response:
    problem = problem_of(error)
    if problem.kind.status >= 500:  # noqa: PLR2004  (HTTP statuses)
        log.warning("api: %s %s: %s", request.method, _route(request), error)
    return problem_response(problem, request.scope["request_id"])


def _refuse_invalid(request: Request, error: RequestValidationError) -> Response:
    errors = [{"where": _where(one["loc"]), "detail": _sentence(one)} for one in error.errors()[:_MOST_SAID]]
    detail = "; ".join(f"{one['where']}: {one['detail']}" for one in errors)
    return problem_response(Problem(ProblemKind.INVALID, detail, errors=errors), request.scope["request_id"])


def _refuse_by_framework(request: Request, error: HTTPException) -> Response:
    kind = _OF_STATUS.get(error.status_code, ProblemKind.INVALID)
    headers = dict(error.headers or {})
    if kind is ProblemKind.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_list_methods(request))
    return problem_response(Problem(kind, headers=headers), request.scope["request_id"])


def _list_methods(request: Request) -> list[str]:
    """Return the methods of a path; Starlette names those of one route alone, and each method has its own."""
    routes = [route for router in request.app.state.routers for route in router.routes]
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in found for method in getattr(route, "methods", None) or ()})


def _refuse_absent(request: Request, error: ClientDisconnect) -> Response:
    """Return an answer that is not read: the caller left before its body was whole."""
    del error
    return problem_response(Problem(ProblemKind.TOO_SLOW), request.scope["request_id"])


def _where(place: Sequence[int | str]) -> str:
    """Return where a value stands, as `query.limit`; of a body the path in it."""
    return ".".join(map(str, place))


def _sentence(one: dict[str, Any]) -> str:
    """Return what is wrong with a value, without the value: it may be a secret, or text of a stranger."""
    said = str(one["msg"]).removeprefix("Value error, ")
    return {
        "extra_forbidden": "is not known here",
        "missing": "is missing",
        "json_invalid": "is not valid JSON",
    }.get(one["type"], f"{said[:1].lower()}{said[1:]}")


def _route(request: Request) -> str:
    route = request.scope.get("route")
    return getattr(route, "path", "?")


HANDLERS: Final[dict[type[Exception], Callable[[Request, Any], Response]]] = {
    Problem: _refuse,
    HostawaySyncError: _refuse_program_error,
    RequestValidationError: _refuse_invalid,
    HTTPException: _refuse_by_framework,
    ClientDisconnect: _refuse_absent,
}


def refuse(request: Request, error: Exception) -> Response:
    """Return the answer to a request that ended with an exception of `HANDLERS`."""
    return next(handler for kind, handler in HANDLERS.items() if isinstance(error, kind))(request, error)
