"""The lines of a batch are checked before any of them is queued."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hostaway_sync.messages.batch_file import BatchLine, read_lines
from hostaway_sync.model.messages import CommunicationType, MessageRequest

GOOD: dict[str, Any] = {"reservation_id": 41, "text": "Hello\n\n🗝️", "key": "a"}


def test_line_is_a_message() -> None:
    """The text stays unchanged; other keys are optional; empty lines, a byte order mark and line ends are ignored."""
    full = GOOD | {"key": "b", "account": 7, "channel_type": "sms", "conversation": 9}
    content = f"\ufeff{json.dumps(GOOD, ensure_ascii=False)}\r\n\r\n  \n{json.dumps(full)}"
    assert read_lines(content) == (
        [
            BatchLine(1, MessageRequest(41, GOOD["text"], key="a")),
            BatchLine(4, MessageRequest(41, GOOD["text"], 7, 9, CommunicationType.SMS, "b")),
        ],
        [],
    )
    assert read_lines("") == ([], [])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"text": " "}, "empty"),
        ({"text": "x" * 10_001}, "at most"),
        ({"text": "x" * 100_000}, "longer"),
        ({"text": None}, "text"),
        ({"key": ""}, "key"),
        ({"key": "a"}, "line 1, too"),
        ({"reservation_id": "41"}, "reservation_id"),
        ({"reservation_id": 0}, "reservation_id"),
        ({"reservation_id": True}, "reservation_id"),
        ({"channel_type": "pigeon"}, "channel_type"),
        ({"idempotency_key": "c"}, "idempotency_key"),
    ],
)
def test_line_that_is_no_message_is_named(wrong: dict[str, object], why: str) -> None:
    """With its number and the reason; the lines around it are read all the same."""
    lines, (bad,) = read_lines("\n".join(json.dumps(one) for one in (GOOD, GOOD | {"key": "b"} | wrong)))
    assert ([line.number for line in lines], bad.number) == ([1], 2)
    assert why in bad.why


@pytest.mark.parametrize("written", ["{", "[]", "41", '{"text": "\\ud800", "reservation_id": 1, "key": "a"}', "{}"])
def test_line_that_is_no_object_is_named(written: str) -> None:
    """Each is a bad line with its number."""
    lines, bad = read_lines(written)
    assert (lines, [one.number for one in bad]) == ([], [1])


def test_line_has_at_most_a_hundred_thousand_characters() -> None:
    """Spaces included."""
    written = json.dumps(GOOD)
    (line,), bad = read_lines(written + " " * (100_000 - len(written)))
    assert (line.number, bad) == (1, [])
    lines, (bad_line,) = read_lines(written + " " * (100_001 - len(written)))
    assert (lines, bad_line.why) == ([], "it is longer than 100,000 letters")
