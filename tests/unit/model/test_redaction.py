from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.app.mirror import Mirror
from hostaway_sync.doctor import examine
from hostaway_sync.errors import ConfigurationError
from hostaway_sync.model.records import OBJECTS, Resource
from hostaway_sync.model.redaction import (
    MARK_BYTES,
    Redaction,
    RedactionRule,
    format_rules,
    parse_rules,
    require_needed_fields,
)
from hostaway_sync.model.redaction import hides_at_least as hides
from hostaway_sync.platforms.hostaway.parsing.resources import SPECS, as_record
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY
from hostaway_sync.settings import Settings, load_settings
from hostaway_sync.store.privacy import erasure_rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = b"s" * 32
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from("abc"), inside, max_size=3),
    max_leaves=12,
)


def hides_more(rules: tuple[RedactionRule, ...], others: tuple[RedactionRule, ...]) -> bool:
    """Whether rules hide at least all that other rules hide, in payloads as received."""
    return hides(rules, others, VOCABULARY)


def covered(setting: str, payload: Any, resource: str = "reservations", secret: bytes = SECRET) -> Any:
    """Return a payload in its stored form."""
    redactor = Redaction(parse_rules(setting), secret, VOCABULARY).redactor_for(resource)
    assert redactor is not None
    return json.loads(redactor.redact(json.dumps(payload)))


def test_fields_are_dropped_or_hashed() -> None:
    """Other fields stay unchanged; a hash ignores letter case, and an empty value stays empty."""
    setting = "reservations.guestEmail=drop, reservations.phone=hash,*.guestName=hash"
    payload = {"id": 1, "guestEmail": "a@b.c", "phone": "+47 1", "guestName": " Ida", "price": 1.10, "note": None}
    stored = covered(setting, payload)
    assert stored == {"id": 1, "phone": stored["phone"], "guestName": stored["guestName"], "price": 1.1, "note": None}
    assert stored["phone"].startswith("hmac-sha256:")
    assert covered(setting, {"guestName": "IDA "})["guestName"] == stored["guestName"]
    assert covered(setting, {"guestName": "Ida"}, secret=b"t" * 32)["guestName"] != stored["guestName"]
    odd = covered(setting, {"guestName": None, "phone": 7})
    assert odd["guestName"] is None
    assert odd["phone"] == covered(setting, {"phone": 7})["phone"] != 7
    assert covered(setting, stored) == stored


def test_paths_lead_through_objects_and_lists() -> None:
    """A path means every item of a list; a value on no path, or of another type, stays."""
    setting = "reservations.fields.value=drop,reservations.deep.a.b=hash"
    payload = {"fields": [{"value": 1, "id": 2}, 3, {"id": 4}], "deep": "none"}
    assert covered(setting, payload) == {"fields": [{"id": 2}, 3, {"id": 4}], "deep": "none"}
    assert covered(setting, {"deep": {"a": {"b": "x", "c": 1}}})["deep"]["a"]["c"] == 1
    both = "reservations.a=hash,reservations.a.b=drop,reservations.c.d=hash,reservations.c=drop,reservations.a=drop"
    assert covered(both, {"a": {"b": 1}, "c": {"d": 1}, "e": 1}) == {"e": 1}


def test_copies_in_conversations_and_deliveries_are_redacted() -> None:
    """A field of reservations and messages is hidden where conversations and deliveries repeat it."""
    setting = "reservations.phone=drop,messages.body=drop"
    payload = {"Reservation": {"phone": 1, "id": 2}, "conversationMessages": [{"body": "x", "id": 3}], "phone": 4}
    assert covered(setting, payload, "conversations") == {
        "Reservation": {"id": 2},
        "conversationMessages": [{"id": 3}],
        "phone": 4,
    }
    redactor = Redaction(parse_rules(setting), SECRET, VOCABULARY).deliveries
    for told in ({"phone": 1}, {"data": {"phone": 1}}, {"payload": {"body": 1}}, {"payload": {"data": {"body": 1}}}):
        assert "1" not in redactor.redact(json.dumps(told))
    assert Redaction(parse_rules(setting), SECRET, VOCABULARY).redactor_for("listings") is None


@given(payload=VALUES, key=st.sampled_from(["a", "b", "a.b", "a.b.c"]), how=st.sampled_from(["drop", "hash"]))
def test_redacting_twice_changes_nothing_more(payload: Any, key: str, how: str) -> None:
    """For every payload."""
    once = covered(f"reservations.{key}={how}", payload)
    assert covered(f"reservations.{key}={how}", once) == once


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("phone=drop", "must be resource.key"),
        ("reservations.phone", "must be resource.key"),
        ("Guests.phone=drop", "must be resource.key"),
    ],
)
def test_invalid_rules_are_refused(setting: str, said: str) -> None:
    """The error names the fault of the setting."""
    with pytest.raises(ConfigurationError, match=f"HOSTAWAY_SYNC_PAYLOAD_FIELDS.*{said}"):
        load_settings(payload_fields=setting)


@pytest.mark.parametrize("use", [Mirror, examine])
@pytest.mark.parametrize(
    ("setting", "named"),
    [("reservations.status=drop", "reservations.status"), ("*.id=hash", "listings.id")],
)
def test_rules_that_hide_needed_fields_are_refused(
    tmp_path: Path, use: Callable[[Settings], object], setting: str, named: str
) -> None:
    """The error comes before any connection to a database."""
    told = load_settings(payload_fields=setting, data_dir=tmp_path / "data")
    with pytest.raises(ConfigurationError) as refused:
        use(told)
    said = f"settings: HOSTAWAY_SYNC_PAYLOAD_FIELDS hides {named}, which the mirror itself needs"
    assert str(refused.value) == said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("resource", OBJECTS)
def test_every_key_that_the_mirror_reads_is_needed(resource: Resource) -> None:
    """Every key that a column, a stamp or a mark is read from is refused."""
    for key in (*SPECS[resource].keys, *SPECS[resource].activity):
        with pytest.raises(ValueError, match=key):
            require_needed_fields(parse_rules(f"{resource}.{key}=drop"), VOCABULARY)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id": 7, "phone": "4711", "note": "\\u0000"}',
        b'{"id": 7, "phone": "47\\u000011\\ud800"}',
        b'{"id": 7, "phone": "4711\x01"}',
        b'{"id": 7, "phone": "4711\xff"}',
        b'{"phone": "4711"}',
        b'["4711"',
        b"4711 ",
    ],
)
def test_quarantined_bytes_are_redacted(raw: bytes) -> None:
    """Quarantine holds no byte of a hidden field; of an unreadable payload only size and hash."""
    spec = SPECS[Resource.RESERVATIONS]
    for how in ("drop", "hash"):
        redaction = Redaction(parse_rules(f"reservations.phone={how}"), SECRET, VOCABULARY)
        redactor = redaction.redactor_for("reservations")
        record = as_record(raw, spec, redactor=redactor)
        assert b"4711" not in (record.exact or b"")
        assert record.exact is None or b"4711" not in record.exact
        assert record.payload_hash.startswith(redaction.mark)
        assert len(record.payload_hash) == MARK_BYTES + 16
        assert redactor is not None
        assert redactor.redact_exact(record.exact or b"{}", None) == (record.exact or b"{}")


def test_erasure_keeps_only_nights_and_money() -> None:
    """Kept fields are listed, have a form without room for a name, and survive a second erasure."""
    payload = {
        "id": 7,
        "arrivalDate": "2026-12-04",
        "status": "new",
        "totalPrice": 512.40,
        "cleaningFee": "60.0",
        "guestName": "Ida Berg",
        "nights": "Ida",
        "departureDate": "ask Ida",
        "channelName": "Ida's own",
        "taxAmount": {"paid by": "Ida"},
        "tomorrow": "Ida",
    }
    stays = erasure_rules.remaining_payload(Resource.RESERVATIONS, json.dumps(payload), VOCABULARY)
    kept = ("id", "arrivalDate", "status", "totalPrice", "cleaningFee")
    assert json.loads(stays) == {key: payload[key] for key in kept}
    assert erasure_rules.remaining_payload(Resource.RESERVATIONS, stays, VOCABULARY) == stays
    assert (
        erasure_rules.remaining_payload(Resource.MESSAGES, '{"body": "Ida", "id": 1}', VOCABULARY)
        == '{"body":"","id":1}'
    )
    assert erasure_rules.remaining_payload(Resource.CONVERSATIONS, "[]", VOCABULARY) == "{}"


KEYS = st.sampled_from("abc")
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(".".join)
RULES = st.builds("{}.{}={}".format, st.sampled_from(["*", *SPECS]), PATHS, st.sampled_from(["drop", "hash"]))
SETTINGS = st.lists(RULES, max_size=5).map(",".join)
LEAF = "leaf"


def whole() -> Any:
    """Return a payload with a value on each path of the strategies, in each place where a copy may be."""
    inside: Any = LEAF
    for _ in range(4):
        inside = dict.fromkeys("abc", inside)
    inside = inside | dict.fromkeys(("Reservation", "conversationMessages"), inside)
    return inside | {"data": inside, "payload": inside | {"data": inside}}


def left(setting: str, payload: Any) -> list[Any]:
    """Return what each resource, and a delivery, keeps of a payload."""
    redaction = Redaction(parse_rules(setting), SECRET, VOCABULARY)
    veils = [*(redaction.redactor_for(resource) for resource in SPECS), redaction.deliveries]
    text = json.dumps(payload)
    return [json.loads(redactor.redact(text)) if redactor else payload for redactor in veils]


def finds_nothing_more(setting: str, other: str, payload: Any) -> bool:
    """Whether one setting hides nothing in a payload that another setting has redacted."""
    kept = left(setting, payload)
    return all(left(other, one)[place] == one for place, one in enumerate(kept))


@given(SETTINGS, SETTINGS, VALUES)
def test_stricter_rules_leave_nothing_to_hide(setting: str, other: str, payload: Any) -> None:
    """If a setting hides at least as much as another, the other changes nothing in its redacted payloads."""
    if hides_more(parse_rules(setting), parse_rules(other)):
        assert finds_nothing_more(setting, other, payload)


@given(SETTINGS, SETTINGS)
def test_weaker_rules_show_more_of_some_payload(setting: str, other: str) -> None:
    """If it does not, there is a payload in which the other one hides a value that it shows."""
    assert hides_more(parse_rules(setting), parse_rules(other)) is finds_nothing_more(setting, other, whole())


@given(st.lists(RULES, max_size=5).flatmap(lambda rules: st.tuples(st.just(rules), st.permutations(rules))))
def test_order_of_rules_does_not_matter(orders: tuple[list[str], list[str]]) -> None:
    """All rules together decide what is hidden, not the last one."""
    first, second = orders
    assert left(",".join(first), whole()) == left(",".join(second), whole())


@given(PATHS, PATHS, st.sampled_from(["drop", "hash"]))
def test_dropping_takes_precedence_over_hashing(path: str, other: str, how: str) -> None:
    """Of two rules for one value the stricter one counts, also where one of them names all resources."""
    for resource in ("reservations", "*"):
        rules = [f"reservations.{path}=drop", f"{resource}.{path}=hash", f"reservations.{other}={how}"]
        for order in permutations(rules):
            stored: Any = covered(",".join(order), whole())
            *parents, last = path.split(".")
            for key in parents:
                stored = stored.get(key, {}) if isinstance(stored, dict) else {}
            assert not isinstance(stored, dict) or last not in stored


@given(SETTINGS, SETTINGS, SETTINGS)
def test_hides_at_least_is_a_partial_order(one: str, two: str, three: str) -> None:
    """Reflexive, transitive, and equal in both directions only for equal effects."""
    first, second, third = parse_rules(one), parse_rules(two), parse_rules(three)
    assert hides_more(first, first)
    assert hides_more(first, ())
    assert hides_more((), first) is (not first)
    if hides_more(first, second) and hides_more(second, third):
        assert hides_more(first, third)
    assert hides_more(parse_rules(format_rules(first)), first)
    assert hides_more(first, parse_rules(format_rules(first)))
    assert format_rules(parse_rules(format_rules(first))) == format_rules(first)


@pytest.mark.parametrize(
    ("setting", "other", "expected"),
    [
        ("reservations.phone=drop", "reservations.phone=hash", True),
        ("reservations.phone=hash", "reservations.phone=drop", False),
        ("reservations.a=drop", "reservations.a.b=hash", True),
        ("reservations.a.b=drop", "reservations.a=hash", False),
        ("*.phone=drop", "reservations.phone=drop", True),
        ("reservations.phone=drop", "*.phone=drop", False),
        ("listings.phone=drop", "reservations.phone=drop", False),
        ("*.phone=drop,listings.name=hash", "*.phone=hash", True),
    ],
)
def test_hides_at_least_in_plain_cases(setting: str, other: str, expected: bool) -> None:  # noqa: FBT001  (a table)
    """A table of cases that are easy to judge."""
    assert hides_more(parse_rules(setting), parse_rules(other)) is expected


@pytest.mark.parametrize(
    ("setting", "formatted"),
    [
        ("*.phone=drop", "*.phone=drop"),
        ("reservations.a.b=hash, listings.a.b=hash, listings.a.b=hash", "listings.a.b=hash,reservations.a.b=hash"),
        ("*.a=hash,listings.b=drop", "*.a=hash,listings.b=drop"),
        ("", ""),
    ],
)
def test_rules_are_formatted_as_a_setting(setting: str, formatted: str) -> None:
    """Sorted and without repetitions; a rule of all resources is one rule."""
    assert format_rules(parse_rules(setting)) == formatted
