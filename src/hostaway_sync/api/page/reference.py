"""`/docs`: the document of the API as a page, without a key, a script or another host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hostaway_sync.api.page.rendering import render

if TYPE_CHECKING:
    from collections.abc import Iterator

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def show_reference(request: Request) -> Response:
    """Show every route, parameter, answer and kind of object."""
    return render_reference(request.app.openapi())


def render_reference(document: dict[str, Any]) -> Response:
    """Return a document of the API as a page."""
    objects = document["components"]["schemas"]
    return render(
        "reference.html",
        caller=None,
        done=None,
        about=document["info"],
        routes=list(_list_routes(document)),
        objects=[
            {
                "name": name,
                "description": objects[name].get("description"),
                "members": list(_list_members(objects[name])),
            }
            for name in sorted(objects)
        ],
    )


def name_type(schema: dict[str, Any]) -> str:
    """Return the type of a value in words, with the names of objects, such as `array of Listing or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for key, word in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
        if key in schema:
            return word.join(map(name_type, schema[key]))
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    kind = schema.get("type", "any JSON")
    kinds = [kind] if isinstance(kind, str) else kind
    if "items" in schema:
        kinds = [f"array of {name_type(schema['items'])}" if one == "array" else one for one in kinds]
    named = " or ".join(kinds)
    return f"{named} ({schema['format']})" if "format" in schema else named


def _list_routes(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {})
            yield {
                "id": operation["operationId"],
                "method": method.upper(),
                "path": path,
                "description": operation.get("description", ""),
                "parameters": [
                    {**one, "type": name_type(one["schema"]), "default": one["schema"].get("default")}
                    for one in operation.get("parameters", ())
                ],
                "body": [name_type(one["schema"]) for one in body.values() if "schema" in one],
                "answers": [
                    {"status": status, "description": one["description"], "type": _name_answer(one)}
                    for status, one in operation["responses"].items()
                ],
            }


def _name_answer(answer: dict[str, Any]) -> str:
    return " or ".join(name_type(one.get("schema", {})) for one in answer.get("content", {}).values())


def _list_members(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in schema.get("allOf", (schema,)):
        if "$ref" in part:
            yield {"name": "all of", "type": name_type(part), "description": "", "is_needed": True}
        for name, one in part.get("properties", {}).items():
            is_needed = name in part.get("required", ())
            yield {"name": name, "type": name_type(one), "description": one.get("description"), "is_needed": is_needed}
