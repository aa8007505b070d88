"""What an error looks like: `application/problem+json`, as RFC 9457 defines it, with a stable type and a request id."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE: Final = "application/problem+json"
PREFIX: Final = "urn:hostaway-sync:problem:"


class ProblemKind(Enum):
    """A kind of problem: its name in `type`, its HTTP status, and its title. Names are contract."""

    UNAUTHENTICATED = ("unauthenticated", 401, "A valid key or token is needed")
    SCOPE_MISSING = ("scope-missing", 403, "The caller may not do this")
    NOT_FOUND = ("not-found", 404, "There is nothing here")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "This cannot be done here")
    NOT_ACCEPTABLE = ("not-acceptable", 406, "The answer is JSON")
    TOO_SLOW = ("too-slow", 408, "The request did not arrive in time")
    CONFLICT = ("conflict", 409, "The request conflicts with what is there")
    AMBIGUOUS = ("ambiguous-id", 409, "Several accounts have an object of this id")
    CHANGED = ("changed-meanwhile", 412, "The object changed meanwhile")
    TOO_LARGE = ("too-large", 413, "The request is too large")
    MEDIA_TYPE = ("media-type", 415, "The body must be JSON")
    INVALID = ("invalid", 422, "The request is not valid")
    TOO_MANY = ("too-many-requests", 429, "Too many requests")
    INTERNAL = ("internal", 500, "The server made a mistake")
    NOT_SENT = ("message-not-sent", 502, "The message was not sent, or not delivered")
    SOURCE = ("source", 502, "The platform did not answer as it should")
    UNAVAILABLE = ("unavailable", 503, "The server cannot answer now")
    OVERTIME = ("overtime", 504, "The answer took too long")

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug = slug
        self.status = status
        self.title = title


class Problem(Exception):
    """An answer that is an error.

    Args:
        kind: which.
        detail: one sentence about this case: what is wrong, where, what to do; None: the title says it all.
        headers: of the answer.
        more: members of the document besides those of the RFC.
    """

    def __init__(
        self,
        kind: ProblemKind,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401  (any JSON)
    ) -> None:
        super().__init__(kind.slug)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return the answer of a problem."""
    kind = problem.kind
    document: dict[str, Any] = {"type": f"{PREFIX}{kind.slug}", "title": kind.title, "status": kind.status}
    if problem.detail is not None:
        document["detail"] = problem.detail
    document |= {**problem.more, "request_id": request_id}
    return Response(json.dumps(document), kind.status, problem.headers, MEDIA_TYPE)


def problem_schema() -> dict[str, Any]:
    """Return the JSON Schema of every problem."""
    return {
        "type": "object",
        "description": "An error, as RFC 9457 defines it.",
        "properties": {
            "type": {"type": "string", "format": "uri", "enum": [f"{PREFIX}{kind.slug}" for kind in ProblemKind]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What is wrong in this case, and what to do."},
            "request_id": {"type": "string", "description": "The one of the header `X-Request-ID`, and of the log."},
            "errors": {
                "type": "array",
                "description": "Of an invalid request: every value that is not valid.",
                "items": {
                    "type": "object",
                    "properties": {"where": {"type": "string"}, "detail": {"type": "string"}},
                    "required": ["where", "detail"],
                },
            },
        },
        "required": ["type", "title", "status", "request_id"],
    }
