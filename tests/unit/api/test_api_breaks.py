"""A change that breaks a client of the last release needs another version."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.api_breaks import find_breaks
from tests.support.project.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = ROOT / "docs" / "reference"
CURRENT: dict[str, Any] = json.loads((PLACE / "openapi.json").read_text(encoding="utf-8"))
PATH = "/api/v1/reservations"
GET = f"GET {PATH}"


def parameter(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a parameter of the list of reservations."""
    return next(one for one in document["paths"][PATH]["get"]["parameters"] if one["name"] == name)


def row(document: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a reservation."""
    found: dict[str, Any] = document["components"]["schemas"]["Reservation"]
    return found


def drop_parameter(document: dict[str, Any], name: str) -> None:
    """Remove a parameter of the list of reservations."""
    document["paths"][PATH]["get"]["parameters"].remove(parameter(document, name))


BREAKING: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "path": (lambda new: new["paths"].pop(PATH), f"{PATH}: the path is gone"),
    "method": (lambda new: new["paths"][PATH].pop("get"), f"{GET}: the method is gone"),
    "parameter": (lambda new: drop_parameter(new, "status"), f"{GET}: the parameter status is gone"),
    "needed parameter": (
        lambda new: new["paths"][PATH]["get"]["parameters"].append(
            {"name": "reason", "in": "query", "required": True, "schema": {}}
        ),
        f"{GET}: the parameter reason is new, and needed",
    ),
    "parameter is needed": (
        lambda new: parameter(new, "limit").update(required=True),
        f"{GET}: the parameter limit is needed",
    ),
    "bound": (
        lambda new: parameter(new, "limit")["schema"].update(maximum=100),
        f"{GET}: limit: maximum is 100 now",
    ),
    "scope": (lambda new: new["paths"][PATH]["get"].update({"x-scope": "admin"}), f"{GET}: another scope is needed"),
    "status": (lambda new: new["paths"][PATH]["get"]["responses"].pop("200"), f"{GET}: 200 is gone"),
    "header": (
        lambda new: new["paths"][PATH]["get"]["responses"]["200"]["headers"].pop("ETag"),
        f"{GET}: 200: the header ETag is gone",
    ),
    "member": (
        lambda new: (row(new)["properties"].pop("status"), row(new)["required"].remove("status")),
        f"{GET}: 200.items[]: the member status is gone",
    ),
    "member not always there": (
        lambda new: row(new)["required"].remove("status"),
        f"{GET}: 200.items[]: the member status is not always there",
    ),
    "type of a member": (
        lambda new: row(new)["properties"]["status"].update(type=["integer", "null"]),
        f"{GET}: 200.items[].status: integer can come now",
    ),
    "type of a parameter": (
        lambda new: parameter(new, "raw")["schema"].update(type="integer"),
        f"{GET}: raw: boolean is taken no more",
    ),
}
HARMLESS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda new: new,
    "path": lambda new: new["paths"].update({"/api/v1/new": {"get": {"responses": {}}}}),
    "member": lambda new: row(new)["properties"].update(more={"type": "string"}),
    "parameter": lambda new: new["paths"][PATH]["get"]["parameters"].append(
        {"name": "more", "in": "query", "required": False, "schema": {"type": "string"}}
    ),
    "wider bound": lambda new: parameter(new, "limit")["schema"].update(maximum=1000),
    "never null": lambda new: row(new)["properties"]["status"].update(type="string"),
    "words": lambda new: new["paths"][PATH]["get"].update(description="Other words."),
}


def change(make: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return the document with one change."""
    new = copy.deepcopy(CURRENT)
    make(new)
    return new


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_a_client_is_named(name: str) -> None:
    """Once for every place where a client meets it."""
    make, expected = BREAKING[name]
    assert expected in find_breaks(CURRENT, change(make))


@pytest.mark.parametrize("name", HARMLESS)
def test_what_a_client_may_pass_over_breaks_nothing(name: str) -> None:
    """Clients ignore members that they do not know."""
    assert find_breaks(CURRENT, change(HARMLESS[name])) == []


def test_a_change_that_breaks_clients_moves_the_version() -> None:
    """The documents of releases are kept beside the current one; a release without one is found, too."""
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", log, re.MULTILINE)
    for version in released[:1]:
        last = json.loads((PLACE / f"openapi-{version}.json").read_text(encoding="utf-8"))
        assert last["info"]["version"] == version
        assert CURRENT["info"]["version"] != version or find_breaks(last, CURRENT) == []
