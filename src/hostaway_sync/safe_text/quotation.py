"""Quotes texts of unknown authors: keeps the words that errors of software are made of, and masks all others.

A text of an API may name a guest anywhere, in any spelling, and no pattern finds a bare name. So it is quoted only as
far as its words are known: a name, an address, a code and a message of a guest are made of others.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from hostaway_sync.safe_text.known_words import (
    ARTICLES,
    BEFORE_NUMBERS,
    JOINING,
    PARTS,
    PHRASES,
    SUBJECTS,
    UNITS,
)
from hostaway_sync.safe_text.private_values import HIDDEN, hide_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http import HTTPStatus

MAX_QUOTE_LENGTH: Final = 200
_LEFT_OUT: Final = "…"
_LONGEST_READ: Final = 10_000
# A name and an address have so many words. A text with more words to mask than to keep is no error of software.
_LONGEST_NAME: Final = 4

# The end of plain text: JSON, HTML, escapes, assignments and quotations begin with one of these.
_STRUCTURE: Final = (
    r"[{}\[\]<>\\|=`^~\"\u201c-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f]|(?<!\w)['\u2018-\u201b]"
    r"|%[0-9A-Fa-f]{2}|&#?\w{1,32};"
)
_QUOTED_FIELD: Final = r"([\"'`])([A-Za-z][A-Za-z_.]{0,60})\1"
# Four or more digits with at most three other characters between them: telephone numbers, dates, ids, door codes.
_LONG_NUMBER: Final = r"\d(?:[^\w…]{0,3}\d){3,}"
_SHORT_NUMBER: Final = "[0-9]{1,3}"
_ENDS: Final = (".", "!", "?", ":")
_AROUND: Final = "!#$%&()*+,-./:;?@_'"
_SHORTENED: Final = (("(?i)e-mail", "email"), ("(?i)can't", "cannot"), ("(?i)(?:n't|'s)$", ""))
_COMPOUND: Final = "[A-Za-z]+(?:[-_./:][A-Za-z]+)*"
_PART: Final = "[A-Z]?[a-z]+|[A-Z]+(?![a-z])"
_OF_MAIL: Final = frozenset((421, 450, 451, 452, 454, 455, *range(500, 505), 521, 530, 535, 541, *range(550, 558)))
_BEFORE_CODES: Final = frozenset(("code", "error", "response", "with"))


def quote_safely(text: str) -> str:
    """Return the part of a foreign text that may be repeated; empty if there is none.

    Known words, names of fields made of them, and short numbers that count something are kept; "…" replaces the rest.
    The text ends at the first bracket, assignment or quotation mark. A text of mostly other words is not quoted.
    """
    text = hide_private(unicodedata.normalize("NFKC", text[:_LONGEST_READ])).replace(HIDDEN, _LEFT_OUT)
    text = re.sub(_QUOTED_FIELD, _bare_field, text.replace("\u2019", "'"))
    if text.strip() in _phrases():
        return text.strip()
    text, *rest = re.split(_STRUCTURE, text, maxsplit=1)
    words = re.sub(_LONG_NUMBER, _LEFT_OUT, text).split() + [_LEFT_OUT] * bool(rest)
    kept: list[str] = []
    for word in _mask_unknown(words):
        if word != _LEFT_OUT or kept[-1:] != [_LEFT_OUT]:
            kept.append(word)
    return " ".join(kept)[:MAX_QUOTE_LENGTH]


def is_known_word(word: str) -> bool:
    """Whether errors of software use a word: if so, its occurrence in one does not show that it is a name."""
    word = word.lower()
    return any(word in known for known in (SUBJECTS, JOINING, ARTICLES, PARTS)) or any(word in two for two in PHRASES)


def _mask_unknown(words: Sequence[str]) -> list[str]:
    """Return the words with "…" in place of each that is not known, or not in its place; empty: it is no error."""
    parts = [_split(word) for word in words]
    bare = [one[0] if len(one) == 1 else "" for one in parts]
    kept = [_is_subject(one) for one in parts]
    for place, pair in enumerate(pairwise(bare)):
        if pair in PHRASES:
            kept[place] = kept[place + 1] = True
    for place, word in enumerate(words):
        if _is_count(word, bare, kept, place):
            # What it counts is kept with it: "line 1", "30 s".
            for beside, known in ((place - 1, BEFORE_NUMBERS), (place + 1, UNITS)):
                if 0 <= beside < len(words) and bare[beside] in known:
                    kept[beside] = True
            kept[place] = True
    subjects = sum(kept)
    # "To" and "In" are also names: as words, they begin with a capital letter only at the beginning of a sentence.
    begins = [place == 0 or words[place - 1].endswith(_ENDS) for place in range(len(words))]
    is_small = [word == word.lower() for word in words]
    _keep_small_words([one if begins[at] or is_small[at] else "" for at, one in enumerate(bare)], kept)
    if not subjects or kept.count(False) > max(_LONGEST_NAME, subjects):
        return []
    return [word if is_kept else _LEFT_OUT for word, is_kept in zip(words, kept, strict=True)]


def _split(word: str) -> tuple[str, ...]:
    """Return the parts of a word in small letters, several for the name of a field or a path; empty: it is no word."""
    core = word.strip(_AROUND)
    for written, meant in _SHORTENED:
        core = re.sub(written, meant, core)
    if re.fullmatch(_COMPOUND, core) is None:
        return ()
    pieces = re.split("[-_./:]", core)
    found = [[one] if one.lower() in SUBJECTS else re.findall(_PART, one) for one in pieces]
    if len(pieces) == 1 and (core.islower() or core.istitle()):
        return (core.lower(),)
    return tuple(part.lower() for piece in found for part in piece)


def _is_subject(parts: tuple[str, ...]) -> bool:
    """Whether a word, or each part of a name of several parts, is known to be about software."""
    if len(parts) == 1:
        return parts[0] in SUBJECTS
    is_known = all(part in SUBJECTS or part in PARTS or part in JOINING for part in parts)
    return is_known and not SUBJECTS.isdisjoint(parts)


def _bare_field(found: re.Match[str]) -> str:
    """Return the name of a field without its quotation marks; any other quotation stays as it is."""
    parts = _split(found[2])
    return found[2] if len(parts) > 1 and _is_subject(parts) else found[0]


def _is_count(word: str, bare: Sequence[str], kept: Sequence[bool], place: int) -> bool:
    """Whether a word is a short number that counts something, or a status of a server."""
    digits = word.strip(_AROUND)
    if re.fullmatch(_SHORT_NUMBER, digits) is None:
        return False
    three, two, before = (bare[place - back] if place >= back else "" for back in (3, 2, 1))
    after = bare[place + 1] if place + 1 < len(bare) else ""
    if place == 0 or before in _BEFORE_CODES:
        return int(digits) in _statuses()
    is_limit = before in BEFORE_NUMBERS or (two, before) == ("up", "to") or (three, before) == ("between", "and")
    return is_limit or (after in UNITS and (kept[place - 1] or before in JOINING))


def _keep_small_words(bare: Sequence[str], kept: list[bool]) -> None:
    """Keep articles before a word about software, and joining words beside one."""
    for place in range(len(bare) - 1):
        kept[place] = kept[place] or (bare[place] in ARTICLES and kept[place + 1])
    for places in (range(1, len(bare)), range(len(bare) - 2, -1, -1)):
        for place in places:
            kept[place] = kept[place] or (bare[place] in JOINING and kept[place - places.step])


@cache
def _statuses() -> frozenset[int]:
    """Return the statuses of HTTP and of mail servers."""
    return _OF_MAIL | {status.value for status in _http()}


@cache
def _phrases() -> frozenset[str]:
    """Return the phrases of the statuses of HTTP, as the standard has them."""
    return frozenset(status.phrase for status in _http())


def _http() -> type[HTTPStatus]:
    from http import HTTPStatus

    return HTTPStatus
