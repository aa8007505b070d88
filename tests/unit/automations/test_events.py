from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hostaway_sync.automations.conditions import is_met, read_conditions, require_columns
from hostaway_sync.automations.events import (
    AWAITED,
    EVENTS,
    GUEST,
    HOST,
    RULES,
    ChangeFacts,
    derive_event,
    example_change_of,
    find_state,
    read_events,
    resource_of,
    resources_of,
    wants,
)
from hostaway_sync.errors import UsageError
from hostaway_sync.model.history.feed import RecordChange
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

NEW, CHANGED, GONE, BACK, ERASED = "inserted", "updated", "missing", "returned", "erased"
STATUS = {"status": "new"}
# Of each row: the resource, what became of it, its values before and after, who sent it, and its event.
DERIVED: list[tuple[str, str, Any, Any, str | None, str | None]] = [
    ("reservations", NEW, None, {"status": "new"}, None, "reservation.created"),
    ("reservations", NEW, None, {"status": "cancelled"}, None, "reservation.created"),
    ("reservations", CHANGED, STATUS, {"status": "modified"}, None, "reservation.updated"),
    ("reservations", CHANGED, STATUS, {"status": "cancelled"}, None, "reservation.cancelled"),
    ("reservations", CHANGED, {"status": "cancelled"}, STATUS, None, "reservation.updated"),
    ("reservations", CHANGED, {"adults": 1}, {"adults": 2}, None, "reservation.updated"),
    ("reservations", GONE, None, None, None, "reservation.missing"),
    ("reservations", BACK, None, None, None, "reservation.updated"),
    ("reservations", ERASED, None, None, None, "reservation.updated"),
    ("messages", NEW, None, {"status": "sent"}, GUEST, "message.received"),
    ("messages", NEW, None, {"status": "sent"}, HOST, "message.sent"),
    ("messages", NEW, None, {"status": "awaiting"}, HOST, None),
    ("messages", CHANGED, {"status": "awaiting"}, {"status": "sent"}, HOST, "message.sent"),
    ("messages", CHANGED, {"status": "awaiting"}, {"status": "failed"}, HOST, "message.failed"),
    ("messages", CHANGED, {"body": "a"}, {"body": "b"}, HOST, None),
    ("messages", CHANGED, {"body": "a"}, {"body": "b"}, GUEST, None),
    ("messages", GONE, None, None, None, None),
    ("listings", NEW, None, {}, None, "listing.created"),
    ("listings", CHANGED, {"name": "a"}, {"name": "b"}, None, "listing.updated"),
    ("listings", GONE, None, None, None, "listing.missing"),
    ("calendar", CHANGED, {"is_available": True}, {"is_available": False}, None, "calendar.changed"),
    ("reviews", NEW, None, {}, None, "review.created"),
    ("reviews", CHANGED, {}, {}, None, "review.updated"),
    ("tasks", NEW, None, {}, None, "task.created"),
    ("tasks", CHANGED, {}, {}, None, "task.updated"),
    ("sync", NEW, None, {"state": "success"}, None, None),
    ("sync", NEW, None, {"state": "failed"}, None, "sync.failed"),
    ("sync", CHANGED, {"state": "success"}, {"state": "partial"}, None, "sync.failed"),
    ("sync", CHANGED, {"state": "partial"}, {"state": "failed"}, None, None),
    ("sync", CHANGED, {"state": "abandoned"}, {"state": "success"}, None, "sync.recovered"),
    ("send", NEW, None, {"state": "pending"}, None, None),
    ("send", CHANGED, {"state": "sending"}, {"state": "outcome_unknown"}, None, "send.outcome_unknown"),
    ("send", CHANGED, {"state": "outcome_unknown"}, {"state": "sent"}, None, None),
    ("drift", NEW, None, {"state": "open"}, None, "drift.opened"),
    ("drift", CHANGED, {"state": "open"}, {"state": "resolved"}, None, "drift.resolved"),
    ("coupons", NEW, None, {}, None, None),
]


def _change(resource: str, change: str, before: Any, after: Any) -> RecordChange:
    return RecordChange(
        1, 70001, None, resource, "1", change, datetime(2026, 3, 1, tzinfo=UTC), None, None, before, after
    )


def test_each_change_is_one_event_or_none() -> None:
    """The table has a case for each event, and each case is as it says."""
    wrong = []
    for resource, change, before, after, sender, event in DERIVED:
        state = find_state(_change(resource, change, before, after), VOCABULARY)
        found = derive_event(ChangeFacts(resource, change, state, sender))
        if found != event:
            wrong.append((resource, change, before, after, found))
    assert wrong == []
    assert {event for *_, event in DERIVED} - {None} == set(EVENTS) == {rule.name for rule in RULES}


def test_names_of_events_are_read_strictly() -> None:
    """An unknown one is refused with all that there are; those that no version writes yet are known."""
    assert read_events("reservation.created, task.updated,reservation.created") == (
        "reservation.created",
        "task.updated",
    )
    assert read_events("*") == ("*",)
    assert {"drift.opened", "drift.resolved"} == AWAITED
    for text in ("reservation.made", "", "reservation.created,"):
        with pytest.raises(UsageError, match=r"there is no such event; there are reservation\.created, "):
            read_events(text)
    assert wants(("*",), "task.created")
    assert not wants(("task.updated",), "task.created")
    assert resource_of("task.created") == "tasks"
    assert resources_of(("task.created", "sync.failed")) == {"tasks", "sync"}


def test_conditions_compare_columns_as_a_person_writes_them() -> None:
    """Several values of one key are alternatives; all keys must fit, and nothing equals no value."""
    conditions = read_conditions(["status=confirmed", "status=pending", "is_listed=true", "note=a=b"])
    assert conditions == {"status": ("confirmed", "pending"), "is_listed": ("true",), "note": ("a=b",)}
    row = {"status": "pending", "is_listed": True, "note": "a=b", "nights": 3, "unit": None, "total": Decimal("100.00")}
    assert is_met(conditions, row)
    for met in ({"nights": ("3",)}, {"total": ("100",)}, {"total": ("1", "100.0")}, {"nights": ("3.00",)}):
        assert is_met(met, row)
    assert is_met({}, None)
    for unmet in (
        {"status": ("cancelled",)},
        {"is_listed": ("false",)},
        {"unit": ("None",)},
        {"other": ("1",)},
        {"total": ("1e2",)},
    ):
        assert not is_met(unmet, row)
    assert not is_met({"status": ("pending",)}, None)
    unlisted = {"is_listed": False}
    assert [is_met({"is_listed": (word,)}, unlisted) for word in ("false", "true", "0", "False")] == [
        True,
        *[False] * 3,
    ]


@pytest.mark.parametrize("text", ["status", "=x", "status=", "Status=x", "a b=c", "x=" + "y" * 201])
def test_a_condition_that_cannot_be_is_refused(text: str) -> None:
    """The sentence says how it is written."""
    with pytest.raises(UsageError) as refused:
        read_conditions(["x=" + "y" * 200, text])
    assert str(refused.value) == (f"--where {text[:60]!r}: it is written KEY=VALUE, for example status=confirmed")


def test_an_example_has_a_change_that_can_be_such_an_event() -> None:
    """Of each event that there is."""
    for event in EVENTS:
        rule = next(rule for rule in RULES if rule.name == event)
        assert example_change_of(event) in rule.changes
    assert [example_change_of(name) for name in ("task.created", "task.updated")] == ["inserted", "updated"]


def test_a_column_that_no_row_has_is_refused() -> None:
    """One kind of row is enough; the sentence names the columns that there are."""
    columns = {"reservations": ["status", "nights"], "listings": ["name"]}
    require_columns({"name": ("a",), "status": ("b",)}, columns)
    with pytest.raises(UsageError, match=r"--where kind=…: no row .* there are name, nights, status"):
        require_columns({"kind": ("a",)}, columns)
    with pytest.raises(UsageError, match="such events have no row"):
        require_columns({"status": ("a",)}, {})
