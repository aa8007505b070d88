from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.store.privacy.letter_case import fold_case
from hostaway_sync.store.privacy.mail_addresses import addresses_in, list_host_forms, list_spellings

LETTERS = st.characters(categories=["Lu", "Ll", "Lt", "Lo"])
LOCAL = st.text(LETTERS | st.sampled_from("0123456789.+-_iI\u0130\u0131"), min_size=1, max_size=10)
LABEL = st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F), min_size=1, max_size=8)
ADDRESS = st.builds(lambda local, label: f"a{local}z@{label}.example", LOCAL, LABEL)


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        (" Ana@X.de ", "ana@x.de"),
        ("ana@x.de.", "ana@x.de"),
        ("ana@x.de", " ANA@x.de. "),
        ("ÄNA@Ü.DE", "äna@ü.de"),
        ("äna@ü.de", "ÄNA@Ü.DE"),
        ("Ana Berg <ana@x.de>", "ana@x.de"),
        ("mailto:ana@x.de", "ana@x.de"),
        ("bo@y.de; ana@x.de", "ana@x.de"),
        ("a\u200bna@x.de\u00a0", "ana@x.de"),
        ("\uff41na@x.de", "ana@x.de"),
        ("ana@x.de", '"ana@x.de",'),
        ("ana@m\u00fcller.de", "ana@xn--mller-kva.de"),
        ("ANA@XN--MLLER-KVA.DE", "ana@M\u00dcLLER.de"),
        ("ana@m\u00fcller.de", "ana@mu\u0308ller.de"),
        ("ana@stra\u00dfe.de", "ana@xn--strae-oqa.de"),
        ("ana@STRASSE.de", "ana@stra\u1e9ee.de"),
        ("ana@\u4f8b\u3048.jp", "ana@xn--r8jz45g.jp"),
        ("ana@x\u3002de", "ana@x.de"),
        ("ana\uff20x\uff0ede", "ana@x.de"),
        ('"john doe"@example.com', '"John Doe"@EXAMPLE.com'),
        ('"john doe" <"john doe"@example.com>', '"john\\ doe"@example.com'),
        ("mailto:%22john%20doe%22@example.com", '"john doe"@example.com'),
        ('"john.doe"@example.com', "john.doe@example.com"),
        ("john.doe@example.com", '"john.doe"@example.com'),
        ('"a@b"@x.de', '"A@B"@x.de'),
        ('"a\\"b"@x.de', '"A\\"B"@x.de'),
        ("\u0130REM@X.com.tr", "irem@x.com.tr"),
        ("irem@x.com.tr", "\u0130rem@x.com.tr"),
        ("IRMAK@x.com.tr", "\u0131rmak@x.com.tr"),
        ("\u0131rmak@x.com.tr", "Irmak@x.com.tr"),
        ("ayse@\u0130stanbul.tr", "ayse@ISTANBUL.tr"),
        ("\u212aelvin@x.de", "kelvin@x.de"),
        ("stra\u00dfer@x.de", "STRASSER@x.de"),
        ("\u017fara@x.de", "sara@x.de"),
        ("\ufb01n@x.de", "FIN@x.de"),
        ("\u039f\u0394\u039f\u03a3@x.gr", "\u03bf\u03b4\u03bf\u03c2@x.gr"),
        ("O'Brien@x.ie", "o'brien@x.ie"),
        ("mail='ana@x.de'", "ana@x.de"),
        ("ana(work)@x.de", "ana@(home)x.de"),
        ("ana@[192.0.2.1]", "ANA@[192.0.2.1]"),
        ("ana%40x.de", "ana@x.de"),
        ("Ana (ana@x.de)", "ana@x.de"),
    ],
)
def test_all_notations_of_an_address_are_equal(stored: str, asked: str) -> None:
    """Spaces, stops, brackets, capital letters of any alphabet and invisible characters make no difference."""
    assert addresses_in(asked)
    assert addresses_in(asked) <= addresses_in(stored)


@pytest.mark.parametrize("words", ["", "@", "ana", "ana@", "@x.de", "ana at x.de", " . "])
def test_text_without_an_address_yields_none(words: str) -> None:
    """Such text finds no guest."""
    assert addresses_in(words) == frozenset()


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("brien@x.ie", "o'brien@x.ie"),
        ("ana@x.de", "ana@y.de"),
        ("x-ana@x.de", "ana@x.de"),
        ("johndoe@x.de", '"john doe"@x.de'),
        ("ana.b@x.de", "anab@x.de"),
        ("ana@xn--mller-kva.de", "ana@muller.de"),
        ("ana@xn--\u00fc.de", "ana@\u00fc.de"),
    ],
)
def test_different_addresses_stay_different(stored: str, asked: str) -> None:
    """No other guest is forgotten."""
    assert addresses_in(asked)
    assert addresses_in(asked).isdisjoint(addresses_in(stored))


@given(ADDRESS)
def test_every_spelling_finds_the_same_address(address: str) -> None:
    """Capital letters of any alphabet, encoded hosts, quotation marks: all are found, with one rule."""
    found = addresses_in(address)
    assert len(found) == 1
    (one,) = found
    assert addresses_in(one) == found
    for written in (address.upper(), address.lower(), address.title(), f" <{address}>.", f"Ana B <mailto:{address}>"):
        assert addresses_in(written) == found
    for written in (*list_spellings(one, address), *list_host_forms(one)):
        assert addresses_in(written) == found


@given(st.text(max_size=40))
def test_folding_is_idempotent_for_any_text(text: str) -> None:
    """Otherwise a stored address would differ from the searched one."""
    assert fold_case(fold_case(text)) == fold_case(text)
    for one in addresses_in(text):
        assert addresses_in(one) == {one}
