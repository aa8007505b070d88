from __future__ import annotations

import copy
import json
import re
from html import unescape
from typing import Any

from tests.support.project.pages import ROOT

from hostaway_sync.api.page.reference import render_reference

DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text(encoding="utf-8"))


def test_the_reference_shows_every_route_parameter_answer_and_object() -> None:
    """Nothing of the document is left out, and what it says is said as text."""
    shown = unescape(bytes(render_reference(DOCUMENT).body).decode())
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            (part,) = re.findall(
                rf'<section class="card" id="{operation["operationId"]}">.*?</section>', shown, re.DOTALL
            )
            assert f"{method.upper()} {path}" in part
            names = [one["name"] for one in operation.get("parameters", ())]
            for word in (*names, *operation["responses"]):
                assert f"<code>{word}</code>" in part, (path, word)
    for name in DOCUMENT["components"]["schemas"]:
        assert f'id="object-{name}"' in shown


def test_the_reference_runs_nothing_and_asks_no_other_host() -> None:
    """No script of any kind, whatever the document says."""
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/api/v1/reservations"]["get"]["description"] = "<script>alert(1)</script>\x1b[31m"
    document["components"]["schemas"]["Listing"]["properties"]["<img src=x onerror=y>"] = {"type": "string"}
    page = render_reference(document)
    text = bytes(page.body).decode()
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert re.findall(r'(?:src|href)="(?!/|#)[^"]*"', text) == []
    assert "default-src 'none'" in page.headers["content-security-policy"]
