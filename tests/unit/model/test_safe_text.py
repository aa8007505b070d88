from __future__ import annotations

import json
import re
import traceback
from string import ascii_letters, ascii_lowercase
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.errors import HostawaySyncError, RateLimited, RunIncomplete, SourceUnavailable
from hostaway_sync.observability.exception_text import describe_exception, format_traceback
from hostaway_sync.safe_text import (
    HIDDEN,
    MAX_QUOTE_LENGTH,
    hide_private,
    is_known_word,
    join_lines,
    quote_safely,
    strip_invisible,
)
from hostaway_sync.safe_text.known_words import ARTICLES, JOINING, SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Callable

WHO, TWO = "ida berg", "two of Ida Berg"
ROW = f"cannot read '{WHO}'\nDETAIL: Failing row contains ({WHO})."
CONTROLS = [*map(chr, range(0x09)), "\x0b", "\x0c", "\r", *map(chr, range(0x0E, 0x20)), *map(chr, range(0x7F, 0xA0))]
UNSEEN = ["\u00ad", "\u061c", "\u115f", "\u180e", *map(chr, range(0x200B, 0x2010)), *map(chr, range(0x202A, 0x202F))]
UNSEEN += ["\u2028", "\u2029", *map(chr, range(0x2060, 0x2070)), "\u3164", "\ufeff", "\ufff9", "\U000e0041", "\ue000"]

KNOWN = st.sampled_from(sorted(SUBJECTS | JOINING | ARTICLES))
PROSE = st.lists(KNOWN, max_size=6).map(" ".join)
SPELLINGS = st.sampled_from([str.lower, str.upper, str.title, str.swapcase])
CAPITAL = st.characters(categories=["Lu"])
SMALL = st.characters(categories=["Ll"])
NAME = st.builds(lambda first, rest: first + rest, CAPITAL, st.text(SMALL, min_size=3, max_size=9))
SCRIPT = st.text(st.characters(categories=["Lo"], min_codepoint=0x3040), min_size=2, max_size=6)
MAIL = st.builds(
    lambda name, host: f"{name}@{host}.example",
    st.text(ascii_letters + "0123456789.+_-", min_size=1, max_size=12),
    st.text(ascii_lowercase, min_size=1, max_size=8),
)
DIGITS = st.text("0123456789\u0664\u0967\uff17", min_size=4, max_size=15)
SPACED = st.builds(
    lambda digits, between: between.join(digits), DIGITS, st.sampled_from(["", " ", "-", ".", " - ", "/"])
)


@given(st.text(st.characters() | st.sampled_from("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), min_size=1))
def test_every_error_message_is_one_line(name: str) -> None:
    """Names of directories, accounts and databases may hold line breaks."""
    for kind in (HostawaySyncError, RunIncomplete):
        for told in (str(kind(f"{name} belongs to {name}")), strip_invisible(join_lines(f"{name} is {name}"))):
            assert len(told.splitlines()) == 1
            assert "\n" not in told
    assert len((RunIncomplete("it failed", unreported=f"so did {name}").unreported or "").splitlines()) == 1


def test_line_break_becomes_a_space() -> None:
    """The words around it stay apart."""
    assert join_lines("a\nb\r\nc\u2028d\ve\n") == "a b c d e"


@pytest.mark.parametrize(
    "sentence",
    [
        "Resource not found",
        "The resource owner or authorization server denied the request.",
        "This error occurs because your account exceeded the rate limits.",
        "Client authentication failed",
        "Too Many Requests",
        "Internal Server Error",
        "listingMapId is required, limit must be at most 500",
        "no such thing; try again later (in 30 s).",
        "Could not find reservation, because your token has expired",
        "You do not have permission to access this resource",
        "arrivalDate must be before departureDate",
        "Validation failed: numberOfGuests must be greater than 0",
        "the page size must be between 1 and 500",
        "The guest's e-mail is invalid",
        "can't read the response with status code 404",
        "550 mailbox unavailable",
        "Expecting value: line 1 column 1 (char 0)",
        "duplicate key violates unique constraint",
        "reservation.created",
        "conversationMessage",
        "",
    ],
)
def test_sentences_of_software_are_quoted_unchanged(sentence: str) -> None:
    """Known words, names of fields, counting numbers and HTTP's own sentences."""
    assert quote_safely(sentence) == sentence


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Guest Ida Berg (ida@x.de, +47 22 33 44 55) has door code 4711#", ""),
        ("Guest with email ida@x.de already exists", "Guest with email … already exists"),
        ("IDA BERG is unknown", "… is unknown"),
        ("guest Ida is unknown", "guest … is unknown"),
        ("guest 王小明 is unknown", "guest … is unknown"),
        ("дорогая Ида Берг", ""),
        ("the code was 4 7 1 1", "the code was …"),
        ("the code was 47-11", "the code was …"),
        ("the code was \uff14\uff17\uff11\uff11", "the code was …"),
        ("the code is HM4K7", "the code is …"),
        ('the field "guestEmail" is wrong: "ida berg"', "the field guestEmail is wrong: …"),
        ("not a name: 'ida berg'", "not a name: …"),
        ("not a name: „ida berg“", "not a name: …"),
        ('cannot read {"guestName": "ida berg"}', "cannot read …"),
        ("cannot read guestName=ida berg", "cannot read guestName …"),
        (r"cannot read \u0069da", "cannot read …"),
        ("cannot read ida%20berg", "cannot read …"),
        ("<p>ida berg</p>", ""),
        ("ida&#64;x.de", ""),
        ("see https://portal.example/guest/abc?x=1", ""),
        ("i\u200bda@x\u200b.de wrote", ""),
        ("12345 67890", ""),
        ("Ida", ""),
        ("Ida is unknown", "… is unknown"),
        ("ida berg is unknown", "… is unknown"),
        ("Not found: ida", "Not found: …"),
        ("Failed. Berg has no phone", "Failed. … has no phone"),
        ("Will Page is unknown", "… is unknown"),
        ("page, mark and grace are unknown", "… are unknown"),
        ("An is unknown", "… is unknown"),
        ("guest To has no phone", "guest … has no phone"),
        ("hello In request", "… request"),
        ("The field Field is invalid", "The field … is invalid"),
        ("idaBerg, ida.berg, ida_berg, ida-berg are unknown", "… are unknown"),
        ("I.D.A. is unknown", "… is unknown"),
        ("i d a is unknown", "… is unknown"),
        ("12 Main Street is invalid", "… is invalid"),
        ("the code is 471", "the code is …"),
        ("error code 471", "error code …"),
        ("471", ""),
        ("ida\u2019s phone is invalid", "… phone is invalid"),
        ("invalid phone of 'ida'", "invalid phone of …"),
        ("hello, I arrive late, please send me the code of the door", ""),
        ("\u0131da is unknown, \u0130da too", "… is unknown, … too"),
        ("id\u0430 is unknown", "… is unknown"),
        ("to ida berg: reservation confirmed", "… reservation …"),
    ],
)
def test_names_numbers_and_structures_are_not_quoted(words: str, told: str) -> None:
    """Names, addresses, numbers and codes go; from a bracket, an assignment or a quotation mark on, all goes."""
    assert quote_safely(words) == told


@given(PROSE, st.one_of(NAME, SCRIPT, MAIL, SPACED), SPELLINGS, PROSE)
def test_private_text_is_never_quoted(before: str, private: str, spell: Callable[[str], str], after: str) -> None:
    """Of a sentence with a name, address, number or code in it, only known words are left."""
    said = quote_safely(f"{before} {spell(private)} {after}")
    assert {word for word in said.split() if not is_known_word(word)} <= {"…"}
    assert len(said) <= MAX_QUOTE_LENGTH


@given(PROSE, st.text(min_size=1, max_size=12), PROSE)
def test_unknown_word_is_never_quoted(before: str, word: str, after: str) -> None:
    """Anywhere in a sentence; only known words of it may stay, such as those of `GuestCity`."""
    said = quote_safely(f"{before} {word} {after}")
    # A name of several words in one is split at its capital letters, unless it is a known word as a whole.
    words = [part for part in re.split(r"[^A-Za-z0-9]+", said) if part and not part.isdecimal()]
    unknown = [part for part in words if not is_known_word(part)]
    left = [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", " ".join(unknown))]
    assert [part for part in left if not is_known_word(part) and part not in {"api", "s"}] == []
    assert quote_safely(said) == said


@given(st.text(max_size=300))
def test_quotation_is_one_short_stable_line(words: str) -> None:
    """For any text."""
    said = quote_safely(words)
    assert len(said) <= MAX_QUOTE_LENGTH
    assert said.isprintable()
    assert not any(sign in said for sign in '{}[]<>"=\\')
    assert quote_safely(json.dumps({"guestName": words})) == ""


@pytest.mark.parametrize("sign", [*CONTROLS, *UNSEEN])
def test_control_and_invisible_characters_are_removed(sign: str) -> None:
    """From shown, hidden and quoted text, and from every error of ours."""
    words = f"not{sign}found"
    for said in (strip_invisible(words), hide_private(words), str(HostawaySyncError(words))):
        assert sign not in said
        assert said.startswith("not")
    assert quote_safely(words) in {"", "not found"}


def test_invisible_characters_do_not_protect_an_address() -> None:
    """They are removed before the patterns are applied."""
    assert hide_private("ida\u200b@\u2060example\u00ad.org") == HIDDEN
    assert strip_invisible("👩\u200d👩\u200d👧 Ida\u200d") == "👩\u200d👩\u200d👧 Ida"


def test_every_error_message_is_cleaned() -> None:
    """Errors of every kind, however they are made; an error made of an error has the same text."""
    for error in (HostawaySyncError("mail ida@x.de"), RateLimited("mail ida@x.de"), SourceUnavailable("mail ida@x.de")):
        assert str(error) == f"mail {HIDDEN}"
        assert str(SourceUnavailable(str(error))) == str(error)
        assert error.args == (f"mail {HIDDEN}",)


def fail() -> None:
    """Raise an error of ours that was caused by other errors, whose words name a guest."""
    try:
        int(ROW)
    except ValueError as error:
        raise SourceUnavailable("the answer was torn") from ExceptionGroup(TWO, [error, KeyError(WHO)])


def test_foreign_exceptions_are_described_without_private_text() -> None:
    """Kind and place stay, in the whole chain and in groups; a row that PostgreSQL quotes does not."""
    with pytest.raises(SourceUnavailable) as caught:
        fail()
    told = format_traceback(caught.value)
    assert WHO in "".join(traceback.format_exception(caught.value)).lower()
    assert WHO not in told.lower()
    for words in (
        "ValueError: invalid literal for int() with base 10: …",
        "KeyError",
        "SourceUnavailable: the answer was torn",
        "test_safe_text.py",
    ):
        assert words in told
    assert describe_exception(ValueError("not found: 'ida berg'\nida")) == "unexpected ValueError: not found: …"
