"""The body of a request: one operation as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from hostaway_sync.api.problems import Problem, ProblemKind


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends.

    Attributes:
        query: the request, in the language of GraphQL.
        variables: their values, by name.
        operation_name: which operation of several.
        extensions: what some clients add; it changes nothing.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = msgspec.field(default=None, name="operationName")
    extensions: dict[str, Any] | None = None


def read_body(content_type: str, body: bytes) -> Body:
    """Return the request in a body.

    Raises:
        Problem: the body is no JSON, or not of one request.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(ProblemKind.MEDIA_TYPE, "send the request as application/json")
    try:
        return msgspec.json.decode(body, type=Body)
    except (msgspec.DecodeError, RecursionError):
        raise Problem(
            ProblemKind.INVALID,
            "the body must be one JSON object with `query`, and `variables` and `operationName` where they are needed",
        ) from None
