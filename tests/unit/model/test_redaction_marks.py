"""The bytes that rows keep of a redaction: the mark of its rules, and hashes in place of values."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest

from hostaway_sync.model.redaction import Redaction, is_redacted_kind, parse_rules, redacted_resources
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

SECRET = b"s" * 32


def test_mark_of_a_payload_depends_on_rules_and_secret() -> None:
    """Rows store it: other rules or another secret change it, the order of the rules does not."""
    setting = "reservations.a.b=hash, listings.c=drop"
    text = b"listings c False\nreservations a.b True"
    mark = Redaction(parse_rules(setting), SECRET, VOCABULARY).mark
    assert mark == b"\x02" + hmac.new(SECRET, text, sha256).digest()[:4]
    assert Redaction(parse_rules("listings.c=drop,reservations.a.b=hash"), SECRET, VOCABULARY).mark == mark
    assert Redaction(parse_rules(setting), b"t" * 32, VOCABULARY).mark != mark


def test_mark_of_a_rule_for_all_is_unchanged_by_calendars() -> None:
    """Programs of the last release stay, and no row is rewritten; a rule that spares calendars is another one."""
    four = ("listings", "reservations", "conversations", "messages")
    text = "\n".join(sorted(f"{name} c False" for name in four)).encode()
    marks = {
        setting: Redaction(parse_rules(setting), SECRET, VOCABULARY).mark
        for setting in ("*.c=drop", ",".join(f"{name}.c=drop" for name in four), "calendar.c=drop", "calendar.c=hash")
    }
    assert marks["*.c=drop"] == b"\x02" + hmac.new(SECRET, text, sha256).digest()[:4]
    assert len(set(marks.values())) == 4


@pytest.mark.parametrize(("value", "hashed"), [("'Ida'", b"ida"), ("7", b"7"), ('{"a": 1}', b'{"a": 1}')])
def test_hash_of_a_value_is_that_of_its_bytes(value: str, hashed: bytes) -> None:
    """Text in lower case, other values unchanged: rows are joined by it."""
    hiding = Redaction(parse_rules("reservations.phone=hash"), SECRET, VOCABULARY).redactor_for("reservations")
    assert hiding is not None
    expected = f"hmac-sha256:{hmac.new(SECRET, hashed, sha256).hexdigest()[:32]}"
    assert hiding.redact(f'{{"phone":{value.replace(chr(39), chr(34))}}}') == f'{{"phone":"{expected}"}}'


def test_rules_of_days_change_no_delivery() -> None:
    """No delivery holds days: a field of theirs may have another meaning there."""
    assert redacted_resources(parse_rules("calendar.note=drop"), VOCABULARY) == {"calendar"}
    assert "deliveries" in redacted_resources(parse_rules("listings.note=drop"), VOCABULARY)


def test_rules_of_a_kind_or_of_all_change_its_payloads() -> None:
    """And no others do."""
    for setting, is_redacted in (
        ("*.note=drop", True),
        ("reviews.note=drop", True),
        ("tasks.note=drop", False),
        ("", False),
    ):
        assert is_redacted_kind("reviews", parse_rules(setting)) is is_redacted


def test_a_text_has_the_hash_that_replaces_it() -> None:
    """Without white space around it and in lower case, so that rows are found by it."""
    found = Redaction((), SECRET, VOCABULARY).hash_text(" Ida ")
    assert found == f"hmac-sha256:{hmac.new(SECRET, b'ida', sha256).hexdigest()[:32]}"
