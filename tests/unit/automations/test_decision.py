from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from hostaway_sync.automations import payload, signature
from hostaway_sync.automations.answer import Answer
from hostaway_sync.automations.decision import decide_delivery, find_disable_reason, find_pause, is_later_change
from hostaway_sync.model.history.feed import RecordChange
from hostaway_sync.queue.retry_policy import JobRetryPolicy
from hostaway_sync.store.automations.states import DeliveryState

POLICY = JobRetryPolicy()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = Answer("it answered 500", 500)
GONE = Answer("it answered 410", 410, is_gone=True)


def test_an_event_is_tried_on_the_ladder_of_the_queue() -> None:
    """It is dead after as many tries as a job has; one that a consumer refused for good waits."""
    assert decide_delivery(Answer(), 1, POLICY, jitter=0.5).state is DeliveryState.DELIVERED
    waits = [decide_delivery(FAILED, number, POLICY, jitter=0.5).retry_in for number in range(1, 8)]
    assert waits == [*POLICY.ladder, None]
    assert decide_delivery(FAILED, 7, POLICY, jitter=0.5).state is DeliveryState.DEAD
    assert decide_delivery(GONE, 7, POLICY, jitter=0.5).state is DeliveryState.WAITING


def test_a_consumer_is_disabled_when_it_is_gone_or_fails_for_five_days() -> None:
    """A success, or a failure before the fifth day is over, disables nothing."""
    long_ago, lately = NOW - timedelta(days=5), NOW - timedelta(days=5) + timedelta(seconds=1)
    assert "410 Gone" in (find_disable_reason(GONE, None, NOW) or "")
    reason = find_disable_reason(FAILED, long_ago, NOW)
    assert reason == "no telling succeeded since 2026-02-24 12:00 UTC; the last failure: it answered 500"
    assert find_disable_reason(FAILED, lately, NOW) is None
    assert find_disable_reason(FAILED, None, NOW) is None
    assert find_disable_reason(Answer(), long_ago, NOW) is None


def test_a_silent_consumer_is_left_alone_for_an_hour_at_most() -> None:
    """The pause grows with the ladder up to that."""
    seconds = [find_pause(rounds, POLICY).total_seconds() for rounds in (1, 2, 3, 4, 5, 99)]
    assert seconds == [30, 120, 600, 3600, 3600, 3600]


def test_a_payload_has_ids_as_text_and_the_keys_that_differ() -> None:
    """Of a new record the row says it all; without a row there is none."""
    values = ("reservations", "5", "updated", NOW, None, ("a", "b"), {"a": 1}, {"a": 2, "b": 3}, "sync", "r")
    change = RecordChange(7, 70001, None, *values)
    told = json.loads(payload.build_payload("reservation.updated", change, {"nights": 2}))
    assert told == {
        "id": "evt_7_1772366400000000",
        "type": "reservation.updated",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "data": {
            "account_id": "70001",
            "resource": "reservations",
            "record_id": "5",
            "change": "updated",
            "cause": "sync",
            "changed": {"a": {"old": 1, "new": 2}, "b": {"old": None, "new": 3}},
            "row": {"nights": 2},
        },
    }
    new = RecordChange(8, 70001, None, "reservations", "5", "inserted", NOW, None, None, None, {"a": 1})
    data = json.loads(payload.build_payload("reservation.created", new, None))["data"]
    # A restored database gives a number again, to another change.
    again = replace(change, changed_at=NOW + timedelta(microseconds=1))
    assert payload.event_id(again) == "evt_7_1772366400000001"
    assert (data["changed"], data["row"]) == ({}, None)
    with_keys = replace(new, keys=("a",))
    assert payload.build_payload("reservation.created", with_keys, None) == payload.build_payload(
        "reservation.created", new, None
    )
    assert b'"changed":{},"row":{"total":1.10}' in payload.build_payload(
        "reservation.missing", replace(change, change="missing", keys=None), {"total": Decimal("1.10")}
    )


def test_an_example_has_the_form_of_an_event() -> None:
    """It says that it is one, and is about no real record."""
    example = json.loads(payload.build_example("task.created", "tasks", "inserted", now=NOW))
    assert example == {
        "id": "evt_example",
        "type": "task.created",
        "timestamp": "2026-03-01T12:00:00+00:00",
        "data": {
            "account_id": "0",
            "resource": "tasks",
            "record_id": "0",
            "change": "inserted",
            "cause": None,
            "changed": {},
            "row": None,
            "is_example": True,
        },
    }
    change = RecordChange(8, 70001, None, "reservations", "5", "inserted", NOW)
    data = json.loads(payload.build_payload("reservation.created", change, None))["data"]
    assert example["data"].keys() - {"is_example"} == data.keys()


def test_each_of_two_secrets_verifies_a_signature() -> None:
    """The library of Standard Webhooks accepts it; with another secret or body it does not."""
    old, new = signature.make_secret(), signature.make_secret()
    assert old != new
    headers = signature.sign("evt_7", b'{"a":1}', [new, old], now=datetime.now(UTC))
    for key in (old, new):
        assert Webhook(key.get_secret_value()).verify('{"a":1}', headers) == {"a": 1}
        with pytest.raises(WebhookVerificationError):
            Webhook(key.get_secret_value()).verify('{"a":2}', headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signature.make_secret().get_secret_value()).verify('{"a":1}', headers)
    assert headers["Content-Type"] == "application/json"
    assert isinstance(old, SecretStr)


@pytest.mark.parametrize(
    ("changed_h", "active_h", "is_later"),
    [(-1, -2, True), (-2, -1, False), (-1, -1, True), (-1, 5, True), (5, -1, True), (-6, -5, False), (0, 0, True)],
    ids=["after", "before", "at once", "mark ahead", "change ahead", "before, clock was behind", "now"],
)
def test_a_clock_that_was_ahead_keeps_no_automation_from_being_told(
    changed_h: int,
    active_h: int,
    is_later: bool,  # noqa: FBT001
) -> None:
    """Hours from now, by the database's clock: a mark in the future says nothing, one in the past divides."""
    hour = timedelta(hours=1)
    assert is_later_change(NOW + changed_h * hour, NOW + active_h * hour, NOW) is is_later
