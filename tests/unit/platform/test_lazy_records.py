"""The records of a page, and what is kept of bytes that cannot be stored, under redaction."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from hostaway_sync.model.records import Resource
from hostaway_sync.model.redaction import MARK_BYTES, Redaction, Redactor, parse_rules
from hostaway_sync.platforms.hostaway.paging.rows import LazyRecords, as_row
from hostaway_sync.platforms.hostaway.parsing.resources import SPECS
from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY

RESERVATION = SPECS[Resource.RESERVATIONS]
SECRET = b"s" * 32
RULES = parse_rules("reservations.phone=drop")


@pytest.fixture
def redactor() -> Redactor:
    """Return rules that hide the phone of a reservation."""
    found = Redaction(RULES, SECRET, VOCABULARY).redactor_for("reservations")
    assert found is not None
    return found


def test_records_of_a_page_are_redacted(redactor: Redactor) -> None:
    """They are made later than their rows, and by the same rules."""
    raws = [b'{"id":7,"phone":"4711"}']
    (record,) = LazyRecords(RESERVATION, raws, [as_row(raws[0], RESERVATION)], redactor)
    assert record.payload == '{"id":7}'


def test_digest_of_hidden_bytes_needs_the_secret(redactor: Redactor) -> None:
    """Without it, a guessed phone number could be compared."""
    raw = b'{"id":7,"phone":"4711"}'
    mark = Redaction(RULES, SECRET, VOCABULARY).mark
    assert len(mark) == MARK_BYTES
    assert redactor.digest(raw) == mark + blake2b(raw, digest_size=16, key=SECRET).digest()


def test_broken_bytes_are_replaced_by_their_redacted_payload(redactor: Redactor) -> None:
    """Where that cannot be read either, only size and digest stay."""
    assert redactor.redact_exact(b'{"phone": "47', '{"phone":"47","id":7}') == b'{"id":7}'
    digest = redactor.digest(b"47")[MARK_BYTES:].hex()
    assert redactor.redact_exact(b"47", None) == f"not kept: 2 bytes, blake2b {digest}".encode()
