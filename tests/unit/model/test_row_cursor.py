from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hostaway_sync.errors import UsageError
from hostaway_sync.model.rows.cursor import RowCursor, digest_question
from hostaway_sync.model.rows.ids import RecordId
from hostaway_sync.model.rows.lists import FILTERS, RowFilters, RowList, require_filters, require_limit

KEYS = st.from_regex(r"[0-9A-Za-z:.+/-]{1,80}", fullmatch=True)
CURSORS = st.builds(RowCursor, st.binary(min_size=6, max_size=6), st.integers(0, 2**63 - 1), KEYS)
LONGEST = 128


@given(CURSORS)
def test_a_cursor_is_read_as_it_was_written(cursor: RowCursor) -> None:
    """Its text is short, and needs no quoting in a URL."""
    text = str(cursor)
    assert RowCursor.parse(text) == cursor
    assert len(text) <= LONGEST
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]+=*\n?", fullmatch=True), CURSORS.map(lambda c: f"{c}A")))
@example("")
@example("A")
@example("A" * 10_000)
@example(urlsafe_b64encode(b"123456" + b"\xff" * 8 + b"777").decode().rstrip("="))
@example("é")
@example(f"{RowCursor(b'123456', 1, '7')}=")
@example(f" {RowCursor(b'123456', 1, '7')}")
@example(str(RowCursor(b"123456", 1, "77")).replace("3Nw", "3Nx"))
def test_any_other_text_is_refused(text: str) -> None:
    """Never with another error; what is read is written as the same text."""
    try:
        cursor = RowCursor.parse(text)
    except UsageError:
        with pytest.raises(UsageError, match="that is no cursor of this list"):
            RowCursor.parse(text)
    else:
        assert str(cursor) == text


def test_cursors_of_other_questions_are_refused() -> None:
    """Each list and each filter makes another question; the account is one of them."""
    questions = [
        (RowList.RESERVATIONS, RowFilters()),
        (RowList.LISTINGS, RowFilters()),
        (RowList.RESERVATIONS, RowFilters(account_id=1)),
        (RowList.RESERVATIONS, RowFilters(status="confirmed")),
        (RowList.RESERVATIONS, RowFilters(channel="confirmed")),
        (RowList.RESERVATIONS, RowFilters(check_in_from=date(2026, 1, 1))),
        (RowList.RESERVATIONS, RowFilters(check_in_to=date(2026, 1, 1))),
        (RowList.RESERVATIONS, RowFilters(updated_since=datetime(2026, 1, 1, tzinfo=UTC))),
    ]
    digests = [digest_question(*one) for one in questions]
    assert len(set(digests)) == len(digests)
    cursor = RowCursor(digests[0], 1, "7")
    cursor.require_question(digest_question(RowList.RESERVATIONS, RowFilters()))
    for other in digests[1:]:
        with pytest.raises(UsageError, match="of another list, or of other filters"):
            cursor.require_question(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", RecordId(7)),
        ("hostaway:1:7", RecordId(7, 1)),
        ("9223372036854775807", RecordId(2**63 - 1)),
        *[(text, None) for text in ("", "0", "-1", "07", " 7", "7\n", "x", "7.0", "9223372036854775808", "\u0667")],
        *[(text, None) for text in ("guesty:1:7", "hostaway:7", "hostaway:1:7:7", ":1:7", "hostaway::7")],
        *[(text, None) for text in ("hostaway:1:", "hostaway:01:7", "HOSTAWAY:1:7", "hostaway:1:07", "9" * 5000)],
    ],
)
def test_a_record_is_named_by_its_id_or_its_whole_key(text: str, expected: RecordId | None) -> None:
    """In the one form that rows have."""
    assert RecordId.parse(text, "hostaway") == expected


def test_a_list_refuses_filters_that_it_does_not_know() -> None:
    """The sentence names those that it knows."""
    for wanted, names in FILTERS.items():
        every: dict[str, Any] = dict.fromkeys(names, 1)
        require_filters(wanted, RowFilters(**every))
    with pytest.raises(UsageError, match=r"^listings cannot be chosen by status: use account_id, updated_since$"):
        require_filters(RowList.LISTINGS, RowFilters(status="confirmed"))


def test_a_page_has_one_to_500_rows() -> None:
    """Both included."""
    require_limit(1)
    require_limit(500)
    for limit in (0, -1, 501):
        with pytest.raises(UsageError, match=f"cannot have {limit} rows: ask for 1 to 500"):
            require_limit(limit)
