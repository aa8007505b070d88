from __future__ import annotations

import time

from hostaway_sync.cli.ui.spreadsheet import defuse_cell

DEFUSED = {
    "=1": "'=1",
    " +1": " '+1",
    "a;=A1": "a;'=A1",
    "a\n\n-1": "a\n\n'-1",
    # Where a semicolon begins a cell, the first of two quotes begins it, and the second one ends it.
    'a;"=A1+1;': "a;\"'=A1+1;",
    '"=1"': '"\'=1"',
    'a\t " ;@x': "a\t \" ;'@x",
    "\uff1d1": "'\uff1d1",
}
LEFT = ("a-b", "a - b", 'a "-" b', "a, =1", "2026-03-01 to 2026-03-05", "", "x@example.com", "a;b\nc")


def test_no_part_of_a_cell_begins_like_a_formula() -> None:
    """Whatever the separator of the spreadsheet is; other text stays as it is."""
    assert {text: defuse_cell(text) for text in DEFUSED} == DEFUSED
    assert tuple(map(defuse_cell, LEFT)) == LEFT


def test_a_cell_of_blank_lines_takes_no_longer_than_its_length() -> None:
    """A guest may send a message of them; once it took minutes."""
    text = "a" + "\n" * 200_000
    began = time.monotonic()
    assert defuse_cell(text) == text
    assert time.monotonic() - began < 10
