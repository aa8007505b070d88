from __future__ import annotations

import json
import traceback
from string import ascii_letters, ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.errors import HostawaySyncError, RateLimited, RunIncomplete, SourceUnavailable
from hostaway_sync.observability.exception_text import describe_exception, format_traceback
from hostaway_sync.safe_text import HIDDEN, MAX_QUOTE_LENGTH, hide_private, join_lines, quote_safely, strip_invisible

WHO, TWO = "ida berg", "two of Ida Berg"
ROW = f"cannot read '{WHO}'\nDETAIL: Failing row contains ({WHO})."
OURS = set("abcdefghijklmnopqrstuvwxyz … ")
CONTROLS = [*map(chr, range(0x09)), "\x0b", "\x0c", "\r", *map(chr, range(0x0E, 0x20)), *map(chr, range(0x7F, 0xA0))]
UNSEEN = ["\u00ad", "\u061c", "\u115f", "\u180e", *map(chr, range(0x200B, 0x2010)), *map(chr, range(0x202A, 0x202F))]
UNSEEN += ["\u2028", "\u2029", *map(chr, range(0x2060, 0x2070)), "\u3164", "\ufeff", "\ufff9", "\U000e0041", "\ue000"]

PROSE = st.lists(st.text(ascii_lowercase, min_size=1, max_size=8), min_size=1, max_size=6).map(" ".join)
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


def test_a_line_break_becomes_a_space() -> None:
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
        "",
    ],
)
def test_plain_sentences_are_quoted_unchanged(sentence: str) -> None:
    """Plain words, names of fields, short numbers and HTTP's own sentences stay as they are."""
    assert quote_safely(sentence) == sentence


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Guest Ida Berg (ida@x.de, +47 22 33 44 55) has door code 4711#", "… (…, …) has door code …#"),
        ("IDA BERG is unknown", "… is unknown"),
        ("guest Ida is unknown", "guest … is unknown"),
        ("guest 王小明 is unknown", "guest … is unknown"),
        ("дорогая Ида Берг", "дорогая …"),
        ("door 4 7 1 1, or 47-11, or \uff14\uff17\uff11\uff11", "door …, or …, or …"),
        ("the code is HM4K7", "the code is …"),
        ('the field "guestEmail" is wrong: "ida berg"', "the field guestEmail is wrong: …"),
        ("not a name: 'ida berg'", "not a name: …"),
        ("not a name: „ida berg“", "not a name: …"),
        ('cannot read {"guestName": "ida berg"}', "cannot read …"),
        ("cannot read guestName=ida berg", "cannot read guestName …"),
        (r"cannot read \u0069da", "cannot read …"),
        ("cannot read ida%20berg", "cannot read ida …"),
        ("<p>ida berg</p>", ""),
        ("ida&#64;x.de", "ida …"),
        ("see https://portal.example/guest/abc?x=1", "see …"),
        ("i\u200bda@x\u200b.de wrote", "… wrote"),
        ("12345 67890", ""),
        ("Ida", "Ida"),
    ],
)
def test_names_numbers_and_structures_are_not_quoted(words: str, told: str) -> None:
    """Names, addresses, numbers and codes go; from a bracket, an assignment or a quotation mark on, all goes."""
    assert quote_safely(words) == told


@given(PROSE, st.one_of(NAME.map(lambda name: f"x {name}"), SCRIPT, MAIL, SPACED), PROSE)
def test_private_text_is_never_quoted(before: str, private: str, after: str) -> None:
    """Of a sentence around a name, an address, a number or a code nothing but plain words is left."""
    said = quote_safely(f"{before} {private} {after}")
    assert set(said) <= OURS
    assert len(said) <= MAX_QUOTE_LENGTH


@given(st.text(max_size=300))
def test_a_quotation_is_one_short_stable_line(words: str) -> None:
    """For any text; quoting a quotation changes nothing."""
    said = quote_safely(words)
    assert len(said) <= MAX_QUOTE_LENGTH
    assert said.isprintable()
    assert not any(sign in said for sign in '{}[]<>"=\\')
    assert quote_safely(json.dumps({"guestName": words})) == ""


@pytest.mark.parametrize("sign", [*CONTROLS, *UNSEEN])
def test_control_and_invisible_characters_are_removed(sign: str) -> None:
    """In what is shown, in what is hidden, in what is quoted, and in every error of ours."""
    words = f"ab{sign}cd"
    for said in (strip_invisible(words), hide_private(words), quote_safely(words), str(HostawaySyncError(words))):
        assert sign not in said
        assert said.startswith("ab")


def test_invisible_characters_do_not_protect_an_address() -> None:
    """They are removed before the patterns are applied."""
    assert hide_private("ida\u200b@\u2060example\u00ad.org") == HIDDEN
    assert strip_invisible("👩\u200d👩\u200d👧 Ida\u200d") == "👩\u200d👩\u200d👧 Ida"


def test_every_error_message_is_cleaned() -> None:
    """However it is made, of whichever kind; an error made of an error says the same."""
    for error in (HostawaySyncError("mail ida@x.de"), RateLimited("mail ida@x.de"), SourceUnavailable("mail ida@x.de")):
        assert str(error) == f"mail {HIDDEN}"
        assert str(SourceUnavailable(str(error))) == str(error)
        assert error.args == (f"mail {HIDDEN}",)


def fail() -> None:
    """Fail with an error of ours that was caused by others, whose words name a guest."""
    try:
        int(ROW)
    except ValueError as error:
        raise SourceUnavailable("the answer was torn") from ExceptionGroup(TWO, [error, KeyError(WHO)])


def test_foreign_exceptions_are_described_without_private_text() -> None:
    """Its kind and its place stay, in the whole chain and in groups; a row that PostgreSQL repeats does not."""
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
    assert describe_exception(ValueError("no 'ida berg'\nida")) == "unexpected ValueError: no …"
