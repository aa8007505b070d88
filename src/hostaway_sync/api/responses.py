"""What routes declare of their answers, for the document of the API."""

from __future__ import annotations

from typing import Any, Final

from hostaway_sync.api.problems import MEDIA_TYPE, ProblemKind

Responses = dict[int | str, dict[str, Any]]

_ALWAYS: Final = (
    ProblemKind.UNAUTHENTICATED,
    ProblemKind.SCOPE_MISSING,
    ProblemKind.INVALID,
    ProblemKind.TOO_MANY,
    ProblemKind.INTERNAL,
    ProblemKind.UNAVAILABLE,
    ProblemKind.OVERTIME,
)
_ETAG: Final = {
    "ETag": {"schema": {"type": "string"}, "description": "Sent back as `If-None-Match`, the same answer is 304."}
}


def refer(name: str) -> dict[str, str]:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def problems(*kinds: ProblemKind) -> Responses:
    """Return the errors that a route answers with, besides those of every route."""
    every = sorted({*_ALWAYS, *kinds}, key=lambda kind: (kind.status, kind.slug))
    titles: dict[int, list[str]] = {}
    for kind in every:
        titles.setdefault(kind.status, []).append(kind.title)
    content = {MEDIA_TYPE: {"schema": refer("Problem")}}
    return {status: {"description": " · ".join(said), "content": content} for status, said in titles.items()}


def document_of(name: str, *kinds: ProblemKind) -> Responses:
    """Return the answers of a route about one row: a document, or that the caller has it already."""
    whole = {"description": "It.", "headers": _ETAG, "content": {"application/json": {"schema": refer(name)}}}
    same: dict[str, Any] = {"description": "The caller has it already.", "headers": _ETAG}
    found = (ProblemKind.NOT_FOUND, ProblemKind.AMBIGUOUS)
    return {200: whole, 304: same, **problems(*found, *kinds)}


def page_of(name: str) -> Responses:
    """Return the answers of a list."""
    return document_of(f"{name}Page")
