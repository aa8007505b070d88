"""Removes private values, known by a field's name or by their form, and characters that are not shown as they are."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN: Final = "[hidden]"
MAX_TEXT_LENGTH: Final = 100_000

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
    # An API key of ours; the part that names it is no secret.
    (r"\b(hsk_[A-Za-z0-9]{12}_)[A-Za-z0-9]{8,}", rf"\1{HIDDEN}"),
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
