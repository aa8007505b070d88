from __future__ import annotations

import pytest

from hostaway_sync.store.schema.move_mark import MOVED, MOVING, SENTENCES, MoveMark


@pytest.mark.parametrize("kind", [MOVED, MOVING])
def test_mark_is_read_as_it_was_written(kind: str) -> None:
    """It fits the column of revisions, sorts after every revision, and has its sentence."""
    mark = MoveMark(kind, "0015", "0badcafe")
    assert MoveMark.parse(str(mark)) == mark
    assert len(str(mark)) <= 32
    assert str(mark) > "9999"
    assert ": " in SENTENCES[kind]


@pytest.mark.parametrize("version", [None, "", "0015", "moved", "moved 0015", "removed 0015 0badcafe"])
def test_other_versions_are_no_mark(version: str | None) -> None:
    """Neither a revision nor an empty value."""
    assert MoveMark.parse(version) is None
