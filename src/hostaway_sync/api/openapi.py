"""The document of the API, OpenAPI 3.1: routes from the code, rows from the views of `core` in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi

from hostaway_sync.api.authorization import SCOPE_MEMBER
from hostaway_sync.api.problems import problem_schema
from hostaway_sync.api.responses import refer
from hostaway_sync.api.row_schemas import LISTED, row_schemas

if TYPE_CHECKING:
    from fastapi import FastAPI

    from hostaway_sync.app.mirror import Mirror

_DESCRIPTION: Final = """\
Every request names its caller by a key, as `Authorization: Bearer hsk_…` or `X-API-Key: hsk_…`
(`hostaway-sync api-key create`). A caller sees its own accounts; what belongs to others is not there.

Ids are text, times are ISO 8601 in UTC, rows are those of the views of `core`. Lists answer `items` and `next`: the
cursor of the next page, null at the end. Errors are `application/problem+json`, as RFC 9457 defines them.
"""
_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of `hostaway-sync api-key create`."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
_OF_FRAMEWORK: Final = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI, mirror: Mirror) -> dict[str, Any]:
    """Return the document; it reads which columns the views have."""
    document: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary="Accounts of a property-management system, mirrored into PostgreSQL",
        description=_DESCRIPTION,
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _OF_FRAMEWORK:
        schemas.pop(name, None)
    schemas |= {"Problem": problem_schema(), **row_schemas(mirror)}
    schemas |= {f"{name}Page": _page_schema(name) for name in LISTED}
    document["components"]["securitySchemes"] = _SECURITY
    document["security"] = [{scheme: []} for scheme in _SECURITY]
    _explain_scopes(document)
    return document


def _page_schema(name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": refer(name)},
            "next": {"type": ["string", "null"], "description": "The cursor of the next page; null: this is the last."},
        },
        "required": ["items", "next"],
    }


def _explain_scopes(document: dict[str, Any]) -> None:
    """Say of every operation which scope it needs, to people as well."""
    for operations in document["paths"].values():
        for operation in operations.values():
            sentences = (operation.get("description"), f"Scope: `{operation[SCOPE_MEMBER]}`.")
            operation["description"] = "\n\n".join(filter(None, sentences))
