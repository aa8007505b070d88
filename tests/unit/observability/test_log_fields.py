"""The form of a log line's fields after redaction."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hostaway_sync.observability.log_redaction import HIDDEN, LogRedactor


def told(**event: Any) -> dict[str, Any]:
    """Return the fields of a line as they are rendered."""
    return LogRedactor()(None, "info", event)


def nested(depth: int) -> Any:
    """Return a value inside so many lists."""
    value: Any = 7
    for _ in range(depth):
        value = [value]
    return value


def test_items_of_collections_are_redacted_one_by_one() -> None:
    """Lists, tuples and sets become lists; an item has no name of its own."""
    assert told(row=["a", ("b", 3), {"c"}, None, True]) == {"row": ["a", ["b", 3], ["c"], None, True]}
    assert told(row={"token": "abc", "ids": [{"password": 7}]}) == {
        "row": {"token": HIDDEN, "ids": [{"password": HIDDEN}]}
    }


def test_only_the_event_must_be_one_line() -> None:
    """A traceback in another field keeps its lines, and so does a nested field called `event`."""
    assert told(event="a\nb", exception="a\nb", row={"event": "a\nb"}) == {
        "event": "a b",
        "exception": "a\nb",
        "row": {"event": "a\nb"},
    }


def test_texts_and_errors_are_shown_without_quotes() -> None:
    """Other values as Python writes them; bytes as text, invalid ones replaced."""
    shown = told(a="b", error=ValueError("wrong"), amount=Decimal("1.5"), raw=b"a\xffb", view=memoryview(b"c"))
    assert shown == {"a": "b", "error": "wrong", "amount": "Decimal('1.5')", "raw": "a\ufffdb", "view": "c"}


@pytest.mark.parametrize(("depth", "is_shown"), [(20, True), (21, False)])
def test_deeply_nested_values_are_left_out(depth: int, is_shown: bool) -> None:  # noqa: FBT001  (a case)
    """Twenty levels are shown."""
    assert told(deep=nested(depth)) == {"deep": nested(depth) if is_shown else _left_out(20)}


def _left_out(depth: int) -> Any:
    value: Any = "..."
    for _ in range(depth):
        value = [value]
    return value


def test_value_inside_itself_is_left_out_there() -> None:
    """The same value twice side by side is shown twice."""
    ring: list[Any] = [1]
    ring.append(ring)
    mapping: dict[str, Any] = {"a": 1}
    mapping["self"] = [mapping]
    twice = [2]
    assert told(ring=ring, mapping=mapping, pair=[twice, twice]) == {
        "ring": [1, "..."],
        "mapping": {"a": 1, "self": ["..."]},
        "pair": [[2], [2]],
    }
