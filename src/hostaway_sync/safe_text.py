"""Removes private values and unsafe characters from text before it reaches a screen, log, table, ping or span.

    join_lines        replaces line breaks by spaces
    strip_invisible   removes characters that move a cursor, change the direction of text or cannot be seen
    hide_private      strips invisible characters and replaces private values, known by a field's name or by their form
    quote_safely      keeps plain words and short numbers of a text whose author is unknown, and drops the rest

`hide_private` is for sentences of this program: they name no guest, and no pattern finds a bare name. `quote_safely` is
for text from an API, a database driver or a library: the readable part of an answer, or the text of an exception.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN: Final = "[hidden]"
MAX_QUOTE_LENGTH: Final = 200
MAX_TEXT_LENGTH: Final = 100_000
_LEFT_OUT: Final = "…"

# Words that also occur in sentences. In text they count as names of fields only before "=" or a quoted value.
_WORDS: Final = (
    "token",
    "accesstoken",
    "refreshtoken",
    "credentials",
    "email",
    "username",
    "body",
    "messagebody",
    "comment",
)
_WHOLE: Final = ("payload", "rawpayload", "exact", "dsn", "databaseurl")
_SECRET: Final = ("password", "passwd", "passphrase", "secret", "authorization", "apikey", "masterkey", "cookie")
_FIELDS: Final = frozenset((*_WORDS, *_WHOLE))
# The platform's names of personal fields, in small letters; registered before the first request is sent.
_personal: frozenset[str] = frozenset()


def _in_text(*names: str) -> str:
    """Return a pattern of names with an optional underscore or hyphen between any two letters."""
    return "|".join("[_-]?".join(name) for name in sorted(names, key=len, reverse=True))


# How deeply text is quoted in text is bounded, or a line of backslashes alone would take minutes.
_MARK: Final = r"(?P<mark>\\{0,7}[\"']?)"
_QUOTED: Final = r"""[ub]?\\{0,7}(?:"(?:\\.|[^"\\])*+(?:"|\Z)?|'(?:\\.|[^'\\])*+(?:'|\Z)?)"""
# The action of a redaction rule (`phone=drop`) is no value of the field.
_BARE: Final = r"(?!\[hidden\]|(?:drop|hash)(?:[,`\n]|\Z))[^,;&})\]\n]{1,200}"
# Patterns are compiled for the first sentence that needs them, because most commands print none.
_SECRET_IN_TEXT: Final = (
    rf"(?is)(?P<name>{_MARK}(?:{_in_text(*_SECRET, *_WORDS)})(?P=mark)\s{{0,3}})"
    rf"(?:[=:]\s{{0,3}}{_QUOTED}|=\s{{0,3}}{_BARE})"
)
_PATTERNS: Final = (
    (_SECRET_IN_TEXT, rf"\g<name>={HIDDEN}"),
    (r"(?i)\b(Bearer|Basic)\s+[\w~+/.=-]{4,}", rf"\1 {HIDDEN}"),
    (r"\beyJ[\w-]{5,}\.[\w-]{2,}(?:\.[\w-]*)?", HIDDEN),
    (r"(?<![\w+/])[A-Za-z0-9+/]{43}=(?![\w=])", HIDDEN),
    (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", HIDDEN),
    # The part before the host may be a password. The path may hold a secret or a signature, unless it is only the
    # version of an API. `user:password@` is the example in our own messages.
    (r"(?i)\b([a-z][a-z0-9+.-]{0,20})://(?!user:password@)[^\s/@\"'<>]{0,200}@", rf"\1://{HIDDEN}@"),
    (r"(?i)\b(https?://[^\s/?#\"'<>\\@]{1,200})(?!/v\d{1,2}(?![\w/?#]))[/?#][^\s\"'<>\\]+", rf"\1/{HIDDEN}"),
    (r"(/webhooks/\w{1,30}/\d{1,19}/)[^\s\"'<>?\\]+", rf"\1{HIDDEN}"),
    (r"[\w.!#$%&*+/=?^`{|}~-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}", HIDDEN),
    # A bare number may be an id; only a country prefix makes it a telephone number.
    (r"(?<![\w+])(?:\+|\b00(?=[1-9]\d?[ ()/-]))\d[\d ()/-]{6,20}\d(?![\w])", HIDDEN),
)

# Letters and marks without width outside the category "format" (Unicode: Default_Ignorable_Code_Point).
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u2800\u3164\uffa0")
_JOINER: Final = "\u200d"
_JOINED_EMOJI: Final = "(?<=[\ufe0f\u2600-\u27bf\U0001f000-\U0001faff])\u200d(?=[\u2600-\u27bf\U0001f000-\U0001faff])"
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co"})
_STAYING: Final = {"\n": "\n", "\t": "\t", "\0": "\ufffd"}
# All characters that some program takes for the end of a line.
_LINE_BREAKS: Final = r"[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+"
_BREAKS: Final = frozenset({"Zl", "Zp"})

# The end of plain text: JSON, HTML, escapes, assignments and quotations begin with one of these.
_STRUCTURE: Final = (
    r"[{}\[\]<>\\|=`^~\"\u201c-\u201f\u00ab\u00bb\u2039\u203a\u300c-\u300f]|(?<!\w)['\u2018-\u201b]"
    r"|%[0-9A-Fa-f]{2}|&#?\w{1,32};"
)
_NAMED_FIELD: Final = r"([\"'`])([a-z]{2,20}(?:(?:[A-Z]|_[a-z])[a-z]{1,20}){1,6})\1"
# Four or more digits with at most three other characters between them: telephone numbers, dates, ids, door codes.
_LONG_NUMBER: Final = r"\d(?:[^\w…]{0,3}\d){3,}"
_SHORT_NUMBER: Final = r"\d{1,3}"
_ENDS: Final = (".", "!", "?")
_LONGEST_WORD: Final = 23
_LONGEST_READ: Final = 10_000
_FIELD: Final = r"[a-z]{2,20}(?:[A-Z][a-z]{1,20}){1,6}"
_SOFTWARE: Final = frozenset(
    ("API", "GET", "HTTP", "HTTPS", "ID", "IP", "JSON", "OAuth", "POST", "PUT", "SMS", "SQL", "URL", "UTC")
)


def join_lines(text: str) -> str:
    """Return the text as one line, so that a name in it cannot forge a line of our output."""
    return re.sub(_LINE_BREAKS, " ", text.strip())


def strip_invisible(text: str) -> str:
    """Return the text without characters that move a cursor, change its direction or are invisible; lines are kept."""
    if text.isascii() and text.isprintable():
        return text
    # A joiner between two emoji makes one emoji of them, and hides nothing.
    return _JOINER.join("".join(map(_shown, part)) for part in re.split(_JOINED_EMOJI, text))


def hide_private(text: str) -> str:
    """Return the visible text with `[hidden]` in place of private values, cut to `MAX_TEXT_LENGTH` characters."""
    if len(text) > MAX_TEXT_LENGTH:
        text = f"{text[:MAX_TEXT_LENGTH]}... ({len(text)} characters)"
    text = strip_invisible(text)
    for pattern, instead in (*_personal_in_text(_personal), *_PATTERNS):
        text = re.sub(pattern, instead, text)
    return text


def quote_safely(text: str) -> str:
    """Return the part of a foreign text that may be repeated; empty if there is none.

    Plain words, names of fields and short numbers are kept. "…" replaces words that may name a person or be a code:
    with capital letters within a sentence, in scripts without capital letters, longer numbers, addresses and links.
    The text ends at the first bracket, assignment or quotation mark.
    """
    text = hide_private(unicodedata.normalize("NFKC", text[:_LONGEST_READ])).replace(HIDDEN, _LEFT_OUT)
    text = re.sub(_NAMED_FIELD, r"\2", text)
    text, *rest = re.split(_STRUCTURE, text, maxsplit=1)
    words = re.sub(_LONG_NUMBER, _LEFT_OUT, text).split() + [_LEFT_OUT] * bool(rest)
    kept: list[str] = []
    for word in _without_names(words):
        if word != _LEFT_OUT or kept[-1:] != [_LEFT_OUT]:
            kept.append(word)
    return " ".join(kept)[:MAX_QUOTE_LENGTH] if set(kept) - {_LEFT_OUT} else ""


def register_private_fields(names: Iterable[str]) -> None:
    """Hide the values of these fields in every text from now on."""
    global _personal  # noqa: PLW0603  (errors hide private values when they are made: they take no such argument)
    _personal |= {_bare(name) for name in names}


def is_private(name: str) -> bool:
    """Whether a field of this name holds a private value."""
    bare = _bare(name)
    return bare in _personal or bare in _FIELDS or any(word in bare for word in _SECRET)


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


@cache
def _personal_in_text(names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    if not names:
        return ()
    field = rf"(?P<name>(?<![a-z]){_MARK}(?:{_in_text(*names)})(?P=mark)\s{{0,3}}[=:]\s{{0,3}})"
    return ((rf"(?is){field}(?:{_QUOTED}|{_BARE})", rf"\g<name>{HIDDEN}"),)


def _shown(letter: str) -> str:
    if letter in _STAYING:
        return _STAYING[letter]
    category = unicodedata.category(letter)
    if category in _BREAKS:
        return " "
    if category == "Cs":
        return "?"
    return "" if category in _UNSEEN or letter in _INVISIBLE else letter


@cache
def _no_names() -> frozenset[str]:
    """Return words with capital letters that name no person: those of software, and of the HTTP status phrases."""
    from http import HTTPStatus

    return _SOFTWARE | {word for one in HTTPStatus for word in re.findall(r"\w+", one.phrase)}


def _without_names(words: list[str]) -> list[str]:
    """Replace words that may be a name; the first word of a sentence is kept if the second has no capital letter."""
    bare = [re.sub(r"^[\W_]+|[\W_]+$", "", word) for word in words]
    may_name = [_may_name(word) for word in bare]
    kept: list[str] = []
    for place, word in enumerate(words):
        begins = place == 0 or words[place - 1].endswith(_ENDS)
        is_followed = place + 1 < len(words) and may_name[place + 1]
        is_name = may_name[place] and (not begins or is_followed)
        kept.append(_LEFT_OUT if is_name or not word.isprintable() or not _is_plain(bare[place]) else word)
    return kept


def _may_name(word: str) -> bool:
    """Whether a word has a capital letter, and is neither a word of software or HTTP nor the name of a field."""
    return (
        any(letter != letter.lower() for letter in word) and word not in _no_names() and not re.fullmatch(_FIELD, word)
    )


def _is_plain(word: str) -> bool:
    """Whether a word is a short number, or has only letters of scripts with capital letters."""
    if len(word) > _LONGEST_WORD or "@" in word or "://" in word or word.startswith("www."):
        return False
    if any(letter.isdigit() for letter in word):
        return re.fullmatch(_SHORT_NUMBER, word) is not None
    return not any(unicodedata.category(letter) in ("Lo", "Nl", "No") for letter in word)
