"""Answers: JSON that no cache keeps, with an ETag, so that a caller who has it already gets 304."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from msgspec.json import Encoder
from starlette.responses import Response

from hostaway_sync.api.problems import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

_ENCODER: Final = Encoder(decimal_format="number")
_JSON: Final = "application/json"


def answer(request: Request, document: object, *, status: int = 200) -> Response:
    """Return a document as JSON; a `Decimal` is a number with all its digits."""
    return answer_bytes(request, _ENCODER.encode(document), status=status)


def answer_list(request: Request, items: Iterable[str], next_cursor: str | None) -> Response:
    """Return a page of rows, which are JSON already, and the cursor of the next one; None: this is the last one."""
    following = _ENCODER.encode(next_cursor)
    return answer_bytes(request, b'{"items":[%s],"next":%s}' % (",".join(items).encode(), following))


def answer_bytes(request: Request, body: bytes, *, status: int = 200) -> Response:
    """Return JSON, or 304 and nothing where the caller says that it has it."""
    tag = _tag_of(body)
    headers = {"ETag": tag}
    if request.method in {"GET", "HEAD"} and _names(request.headers.get("if-none-match", ""), tag):
        return Response(None, 304, headers)
    return Response(body, status, headers, _JSON)


def require_match(request: Request, document: object) -> None:
    """Refuse to change what is not as the caller saw it: `If-Match` names the ETag of another document.

    Raises:
        Problem: it is not.
    """
    wanted = request.headers.get("if-match")
    if wanted is not None and wanted != "*" and _tag_of(_ENCODER.encode(document)) not in _list_tags(wanted):
        raise Problem(ProblemKind.CHANGED, "it is not as `If-Match` has it any more: read it, and decide anew")


def _tag_of(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def _list_tags(header: str) -> list[str]:
    return [name.strip() for name in header.split(",")]


def _names(header: str, tag: str) -> bool:
    """Whether `If-None-Match` names a tag; a weak one compares equal, as RFC 9110 has it for this header."""
    names = [name.removeprefix("W/") for name in _list_tags(header)]
    return tag in names or names == ["*"]
