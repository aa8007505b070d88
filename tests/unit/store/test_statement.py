from __future__ import annotations

import pytest

from hostaway_sync.errors import UsageError
from hostaway_sync.store.queries.statement import LONGEST, describe_place, require_statement, without_end


def test_a_text_that_is_no_statement_is_refused() -> None:
    """The sentence says why."""
    refused = (
        ("", "is empty"),
        (" ;\n-- nothing\n/* at all; */;", "is empty"),
        (" \n\\d", "begin with"),
        ("SELECT 1\0", "zero character"),
        ("SELECT '\ud800'", "not encoded in UTF-8"),
        ("SELECT '\udfff'", "not encoded in UTF-8"),
        ("1" * (LONGEST + 1), "longer than 1,000,000 characters"),
    )
    for text, words in refused:
        with pytest.raises(UsageError, match=words):
            require_statement(text)


def test_a_text_that_may_be_a_statement_is_taken() -> None:
    """Only the server knows SQL."""
    for text in ("SELECT 1", "SELECT\n\t'é\ud7ff\ue000'", "SELECT '\\d'", "-- how many\nSELECT 1", "1" * LONGEST):
        require_statement(text)


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("SELECT 1", []),
        ("SELECT 1;", ["SELECT 1"]),
        ("SELECT ';' ", []),
        ("SELECT 1; SELECT 2", []),
        ("SELECT 1 ; -- a; b\n/* c\n; d */ \n;", ["SELECT 1 ", "SELECT 1 ; -- a; b\n/* c\n; d */ \n"]),
        ("SELECT ';--'", ["SELECT '"]),
        # Only the last twenty can end it.
        ("1" + ";" * 20, ["1" + ";" * number for number in range(20)]),
        ("1" + ";" * 21, ["1" + ";" * number for number in range(1, 21)]),
    ],
)
def test_a_semicolon_ends_a_text_where_nothing_follows(text: str, candidates: list[str]) -> None:
    """Nothing but white space, semicolons and comments; the text as it is comes first."""
    assert list(without_end(text)) == [text, *candidates]


@pytest.mark.parametrize(
    ("text", "position", "place"),
    [
        ("SELECT nme", None, ""),
        ("SELECT nme", "", ""),
        ("SELECT nme", "8", " (at character 8)"),
        ("SELECT nme\n", "8", " (at character 8)"),
        ("\nSELECT nme", "9", " (at character 8)"),
        ("SELECT a\nFROM b", "1", " (line 1, column 1)"),
        ("SELECT a\nFROM b", "10", " (line 2, column 1)"),
        ("SELECT a,\n\n b\nFROM c", "13", " (line 3, column 2)"),
    ],
)
def test_a_place_is_told_as_a_person_counts(text: str, position: str | None, place: str) -> None:
    """By line and column where there are several lines."""
    assert describe_place(text, position) == place
