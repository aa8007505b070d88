"""Which rules apply to which kinds of objects, and which of two rules counts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from hostaway_sync.model.redaction import Redaction, parse_rules, require_needed_fields
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY


def left(setting: str, resource: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a payload."""
    redactor = Redaction(parse_rules(setting), b"s" * 32, VOCABULARY).redactor_for(resource)
    kept: dict[str, Any] = payload if redactor is None else json.loads(redactor.redact(json.dumps(payload)))
    return kept


def test_rules_of_all_apply_to_kinds_named_and_unnamed() -> None:
    """A rule of one kind applies to that kind alone."""
    setting, payload = "tasks.title=drop,*.note=drop,reservations.sum=drop", {"title": 1, "note": 2, "sum": 3}
    assert left(setting, "tasks", payload) == {"sum": 3}
    assert left(setting, "reviews", payload) == {"title": 1, "sum": 3}
    assert left(setting, "reservations", payload) == {"title": 1}
    assert left("tasks.title=drop", "reviews", payload) == payload


def test_dropping_counts_where_a_field_is_also_hashed() -> None:
    """In either order; hashed twice it is hashed."""
    drop, hashed = "reservations.phone=drop", "reservations.phone=hash"
    payload = {"phone": "1", "id": 2}
    for setting in (f"{drop},{hashed}", f"{hashed},{drop}"):
        assert left(setting, "reservations", payload) == {"id": 2}
    once = left(hashed, "reservations", payload)
    assert left(f"{hashed},{hashed}", "reservations", payload) == once
    assert once["phone"].startswith("hmac-sha256:")


def test_a_rule_for_what_has_no_payload_is_refused() -> None:
    """The sentence names all that have."""
    words = replace(VOCABULARY, object_keys={"tasks": {}, "reviews": {}})
    require_needed_fields(parse_rules("tasks.title=drop,*.note=drop"), words)
    with pytest.raises(ValueError, match="names guests") as refused:
        require_needed_fields(parse_rules("guests.name=drop"), words)
    assert str(refused.value) == (
        "names guests, but only listings, reservations, conversations, messages, calendar, reviews, tasks and * "
        "have payloads"
    )
