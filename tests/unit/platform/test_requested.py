from __future__ import annotations

from hostaway_sync.model.kinds.requested import Requested, RequestedObject
from hostaway_sync.platforms.hostaway.kinds.requested import REQUESTED, as_requested_object

SPEC = REQUESTED[Requested.FINANCE]


def test_an_object_is_shown_by_its_headings() -> None:
    """Text as it is, any other value as JSON, and nothing where there is none."""
    payload = '{"name": "Gebühr é", "type": null, "value": 10.50, "total": {"a": "é"}, "quantity": true, "other": 1}'
    members = {"name": "Gebühr é", "type": None, "value": 10.5, "total": {"a": "é"}, "quantity": True, "other": 1}
    cells = {"name": "Gebühr é", "alias": "", "type": "", "value": "10.5", "total": '{"a": "é"}', "quantity": "true"}
    assert as_requested_object(payload, SPEC) == RequestedObject(members, cells)


def test_an_answer_without_an_object_has_empty_cells() -> None:
    """Hostaway may answer with null."""
    assert as_requested_object("null", SPEC) == RequestedObject({}, dict.fromkeys(SPEC.cells, ""))
