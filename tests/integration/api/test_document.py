"""The committed document of the API is the one of the program.

WRITE_DOCUMENTS=1 pytest tests/integration/api/test_document.py     writes it
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tests.support.project.pages import ROOT

if TYPE_CHECKING:
    from tests.support.servers.api import Callers

COMMITTED = ROOT / "docs" / "reference" / "openapi.json"


def test_the_committed_document_is_that_of_the_program(callers: Callers) -> None:
    """Without a key, because it holds nothing of anybody."""
    document = callers.stranger.get("/openapi.json").json()
    if os.environ.get("WRITE_DOCUMENTS"):
        COMMITTED.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == document


def test_every_operation_says_scope_errors_and_what_it_returns() -> None:
    """Each has a summary, and each error is a problem."""
    document: dict[str, Any] = json.loads(COMMITTED.read_text(encoding="utf-8"))
    operations = [(path, method, one) for path, found in document["paths"].items() for method, one in found.items()]
    assert len(operations) >= 11
    for path, method, operation in operations:
        assert operation["x-scope"], path
        assert operation["summary"], path
        assert any(status.startswith("2") for status in operation["responses"]), (method, path)
        assert {"401", "403", "422", "429", "500", "503"} <= operation["responses"].keys(), (method, path)
        for status, answer in operation["responses"].items():
            good = "text/event-stream" if path.endswith("/stream") else "application/json"
            kind = "application/problem+json" if int(status) >= 400 else good
            assert status == "304" or set(answer["content"]) == {kind}, (path, status)


def test_rows_are_described_by_the_comments_of_their_columns() -> None:
    """So that the meaning of a column is written once."""
    schemas = json.loads(COMMITTED.read_text(encoding="utf-8"))["components"]["schemas"]
    arrival = schemas["Reservation"]["properties"]["check_in_date"]
    assert (arrival["type"], arrival["format"]) == (["string", "null"], "date")
    assert arrival["description"]
    assert "raw_payload" not in schemas["Reservation"]["required"]
