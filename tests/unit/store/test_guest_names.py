from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.platforms.hostaway.personal_data import VOCABULARY
from hostaway_sync.store.privacy.guest_names import find_names

WORDS = st.text(st.characters(categories=["Lu", "Ll"]), min_size=2, max_size=9)
BETWEEN = st.sampled_from([" ", ", ", "\n", "-", "_", "\u00a0", " \u200b", ": ", "/", "."])


def named(text: str, fields: dict[str, Any], *, of_other: bool = True, is_document: bool = True) -> bool:
    """Whether a text names a guest whose reservation has these fields."""
    names = find_names(json.dumps(fields), VOCABULARY)
    return names.are_in(text, is_document=is_document, is_whose=of_other)


@pytest.mark.parametrize(
    "fields",
    [
        {"guestLastName": "Berg"},
        {"guestName": "Ida Berg"},
        {"guestName": "Berg, Ida"},
        {"guestName": "Ida Maria BERG"},
        {"guestName": "Berg"},
        {"guestName": "Ida Lund-Berg"},
        {"recipientName": "Ida Berg"},
        {"guestLastName": "von Berg"},
        {"Reservation": {"guestLastName": "Berg"}},
        {"data": {"guestLastName": " berg "}},
        {"payload": {"data": {"guestName": "I. Berg"}}},
    ],
)
def test_last_name_is_found_wherever_it_was_stored(fields: dict[str, Any]) -> None:
    """In each field with a name, at each place of a payload."""
    assert named('{"a": [{"b": "Mrs Berg"}]}', fields)
    assert named('{"Berg": 1}', fields)
    assert not named('{"a": "Bergen", "b": "Heidelberg"}', fields)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('"BERG"', True),
        ('"Best wishes,\\nBerg"', True),
        ('"Be\\u0072g"', True),
        ('"\uff22\uff45\uff52\uff47"', True),
        ('"Be\u200brg"', True),
        ("no JSON, but Berg", True),
        ('"Berg\u2019s"', True),
        ('"ida_berg"', True),
        ('"Bergs"', False),
        ('"Ida"', False),
        ("12", False),
    ],
)
def test_name_is_searched_as_a_word(text: str, *, is_found: bool) -> None:
    """In any letter case, between any characters, escaped or not; inside another word it is another name."""
    assert named(text, {"guestFirstName": "Ida", "guestLastName": "Berg"}) is is_found


def test_first_name_counts_where_the_owner_is_unknown() -> None:
    """Many persons have it, so that it says nothing about the object of another guest."""
    fields = {"guestFirstName": "Ida", "guestLastName": "Berg"}
    assert named('"Dear Ida"', fields, of_other=False)
    assert not named('"Dear Ida"', fields, of_other=True)


def test_known_word_is_no_name_in_an_error() -> None:
    """Otherwise the erasure of a guest called Page would empty most errors."""
    assert named('"Mrs Page"', {"guestLastName": "Page"})
    assert not named("the page is unknown", {"guestLastName": "Page"}, is_document=False)
    assert named("Berg is unknown", {"guestLastName": "Berg"}, is_document=False)


@pytest.mark.parametrize("name", ["\u738b\u5c0f\u660e", "\ud64d\uae38\ub3d9"])
def test_name_without_spaces_is_found_within_a_sentence(name: str) -> None:
    """Scripts without capital letters may have no space between words."""
    assert named(json.dumps(f"\u5ba2\u4eba{name}\u8bf4"), {"guestName": name})


@given(WORDS, WORDS, BETWEEN, BETWEEN, WORDS)
def test_name_of_any_letters_is_found(first: str, last: str, before: str, after: str, other: str) -> None:
    """Between any two characters, in capital or small letters."""
    fields = {"guestName": f"{first} {last}"}
    for written in (last, last.upper(), last.lower()):
        text = json.dumps({"x": f"{other}{before}{written}{after}{other}"}, ensure_ascii=False)
        names = find_names(json.dumps(fields), VOCABULARY)
        assert names.are_in(text, is_document=True, is_whose=True)
        known = names.list_ascii()
        assert known is None or not text.isascii() or any(one in text.lower() for one in known)


@pytest.mark.parametrize(
    "payload", ["[]", "5", "null", '{"guestName": 5, "guestLastName": null}', '{"guestName": " "}']
)
def test_payload_without_names_has_none(payload: str) -> None:
    """There is no search then."""
    assert not find_names(payload, VOCABULARY).parts
