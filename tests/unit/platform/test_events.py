from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hostaway_sync.model.deliveries import RefreshTarget
from hostaway_sync.model.records import Resource
from hostaway_sync.platforms.hostaway.webhooks.events import ID_LOCATIONS, LONGEST_NAME, read_event

ACCOUNT = 70001
RESERVATION = RefreshTarget(Resource.RESERVATIONS, 41200077)
LISTING = RefreshTarget(Resource.LISTINGS, 300101)
CONVERSATION = RefreshTarget(Resource.CONVERSATIONS, 33100456)


def read(body: Any) -> tuple[str, RefreshTarget | None, str | None]:
    """Return name, target and reason of a body."""
    event, _ = read_event(body if isinstance(body, bytes) else json.dumps(body).encode(), account_id=ACCOUNT)
    return event.name, event.target, event.ignored


def body(event: str, **fields: Any) -> dict[str, Any]:
    """Return a delivery's body."""
    return {"object": "x", "event": event, "accountId": ACCOUNT, "data": fields}


@pytest.mark.parametrize(
    ("event", "fields", "target"),
    [
        ("reservation.created", {"id": 41200077, "reservationId": "70001-300101-2018-17894"}, RESERVATION),
        ("reservation.updated", {"id": "41200077"}, RESERVATION),
        ("reservation.cancelled", {"id": None, "hostawayReservationId": "41200077"}, RESERVATION),
        ("reservation.updated", {"reservationId": 41200077}, RESERVATION),
        ("listing.created", {"id": 300101}, LISTING),
        ("listing.updated", {"id": 300101.0}, LISTING),
        ("listing.deleted", {"listingMapId": 300101}, LISTING),
        ("message.received", {"id": 5, "conversationId": 33100456, "reservationId": 41200077}, CONVERSATION),
        ("message.received", {"conversationId": 33100456}, CONVERSATION),
        ("message.created", {"id": 5, "reservationId": 41200077}, RESERVATION),
        ("conversationMessage", {"conversationId": "33100456"}, CONVERSATION),
    ],
    ids=str,
)
def test_each_event_leads_to_its_object(event: str, fields: dict[str, Any], target: RefreshTarget) -> None:
    """A message leads to its conversation, or to its reservation where only that is known."""
    assert read(body(event, **fields)) == (event, target, None)


def test_object_may_be_in_three_places() -> None:
    """Under `data`, under `payload.data`, or under `payload`."""
    fields = {"id": 41200077}
    for shape in ({"data": fields}, {"payload": {"data": fields}}, {"payload": fields}, {"data": 5, "payload": fields}):
        assert read({"event": "reservation.updated", "accountId": ACCOUNT} | shape)[1] == RESERVATION


def test_object_names_the_route_without_an_event() -> None:
    """Older deliveries of messages have no event."""
    assert read({"object": "conversationMessage", "data": {"conversationId": 33100456}}) == ("", CONVERSATION, None)


@pytest.mark.parametrize(
    ("given_body", "reason"),
    [
        (b"", "no JSON"),
        (b"hello", "no JSON"),
        (b"[1]", "no object"),
        (b"5", "no object"),
        (b"{}", "no event"),
        ({"event": 5, "data": {"id": 1}}, "no event"),
        (body("task.created", id=5), "unknown event"),
        ({"object": "task"}, "unknown event"),
        (body("reservation.updated"), "no object id"),
        (body("reservation.updated", id="70001-300101-2018-17894"), "no object id"),
        (body("message.received", id=5, reservationId="70001-300101-2018-17894"), "no object id"),
        (body("listing.updated", id=0), "no object id"),
        (body("listing.updated", id=2**63), "no object id"),
        ({"event": "reservation.updated", "data": "test"}, "no object id"),
    ],
    ids=str,
)
def test_ignored_delivery_has_a_reason(given_body: Any, reason: str) -> None:
    """It is stored and makes no job."""
    name, target, ignored = read(given_body)
    assert (target, ignored) == (None, reason), name
    assert not isinstance(given_body, bytes) or not name


@pytest.mark.parametrize("claimed", [70002, "70002", -1, "abc", True, [70001], "", 10**30])
def test_delivery_for_another_account_is_ignored(claimed: Any) -> None:
    """The account of the path counts, whatever the body says."""
    assert read(body("listing.updated", id=300101) | {"accountId": claimed})[1:] == (None, "another account")


@pytest.mark.parametrize("claimed", [70001, "70001", 70001.0, None])
def test_same_account_may_be_written_in_many_forms(claimed: Any) -> None:
    """A number, text, or nothing at all."""
    event, _ = read_event(
        json.dumps(body("listing.updated", id=300101) | {"accountId": claimed}).encode(), account_id=ACCOUNT
    )
    assert (event.target, event.claimed_account) == (LISTING, None if claimed is None else ACCOUNT)


def test_object_may_name_the_account() -> None:
    """Where the envelope does not."""
    shape = {"event": "listing.updated", "data": {"id": 300101, "accountId": 70002}}
    assert read(shape)[2] == "another account"


def test_names_are_cut_and_cleaned() -> None:
    """A name may be long, or hold characters that PostgreSQL refuses."""
    name, _, ignored = read(body(" a\0" + "b" * 500))
    assert (len(name), name[:3], ignored) == (LONGEST_NAME, "a\ufffdb", "unknown event")


def test_payload_is_unchanged_unless_it_cannot_be_stored() -> None:
    """Bytes that JSONB accepts are unchanged; others are cleaned."""
    clean = b'{ "event":"listing.updated" , "data":{"id":300101.0}}'
    assert read_event(clean, account_id=ACCOUNT)[1] == clean.decode()
    assert read_event(b'{"event":"a\\u0000"}', account_id=1)[1] == r'{"event":"a\ufffd"}'
    event, payload = read_event(
        b'{"event":"listing.updated","data":{"id":300101,"x":"\\u0000\xff","y":NaN}}', account_id=1
    )
    assert event.target == LISTING
    assert json.loads(payload or "") == {
        "event": "listing.updated",
        "data": {"id": 300101, "x": "\ufffd\ufffd", "y": None},
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("id", "reservationId", "hostawayReservationId", "listingMapId", "conversationId", "accountId", "data")
SUBJECTS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4) | JSON
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(sorted(ID_LOCATIONS)) | JSON,
        "object": JSON,
        "accountId": JSON,
        "data": SUBJECTS,
        "payload": SUBJECTS,
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary() | BODIES.map(lambda content: json.dumps(content).encode()))
@example(b"[" * 100_000)
@example(b'{"data":' * 3_000 + b"{}" + b"}" * 3_000)
@example(b'{"accountId":' + b"9" * 6_000 + b"}")
@example(b'{"event":"reservation.updated","data":{"id":' + b"9" * 6_000 + b"}}")
@example(b'{"event":"reservation.updated","data":{"id":1e99999999999}}')
@example(b'{"event":"\\ud800","data":{"id":"\\udfff"}}')
@example(b"\xef\xbb\xbf{}")
def test_every_body_has_a_target_or_a_reason(content: bytes) -> None:
    """No body raises; it never has both, and its name fits the column."""
    event, payload = read_event(content, account_id=ACCOUNT)
    assert (event.target is None) == (event.ignored is not None)
    assert len(event.name) <= LONGEST_NAME
    assert "\0" not in event.name
    event.name.encode()
    assert event.target is None or 0 < event.target.object_id < 2**63
    assert payload is None or payload.encode()
