r"""Makes JSON that JSONB accepts of JSON as received, and splits a page into the exact bytes of its parts.

JSONB refuses U+0000, half a surrogate pair, raw control characters, numbers with enormous exponents, NaN, invalid UTF-8
and very deep nesting; a strict JSON reader refuses a whole page for one such record. So a page that a strict reader
refuses is split at its brackets here, and a record that JSONB would refuse is cleaned here.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

MAX_DEPTH: Final = 500
_MAX_INTEGER_DIGITS: Final = 131_072
_MAX_FRACTION_DIGITS: Final = 16_383
_MAX_EXPONENT_DIGITS: Final = 7
_STRING: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_TOKEN: Final = re.compile(rf'{_STRING}|[\[\]{{}},:]|[^\s\[\]{{}},:"]+|\s+|"', re.DOTALL)
_BYTE_TOKEN: Final = re.compile(rf'{_STRING}|[\[\]{{}},"]'.encode(), re.DOTALL)
_MEMBER: Final = re.compile(rf"\s*({_STRING})\s*:\s*(.*)".encode(), re.DOTALL)
_NUMBER: Final = re.compile(r"-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?)(\d+))?")
_SUSPECT_ESCAPE: Final = re.compile(rb"\\u0000")
_LARGE_EXPONENT: Final = re.compile(rb"[:,\[\s]-?[0-9.]+[eE][+-]?[0-9]{5}")
# An outline of JSON in which only numbers and brackets matter: digits become 0, what may follow a number becomes a
# comma, both opening brackets become one, and characters of words and URLs become quotes, so that digits on both sides
# of them do not run into one number.
_OUTLINE: Final = bytes.maketrans(b"123456789E{}] \t\r\n:/?=&_", b'000000000e[,,,,,,""""""')
_NOT_IN_OUTLINE: Final = bytes(set(range(256)) - set(b'0123456789eE[{}], \t\r\n":/?=&_'))
_OUTLINED_EXPONENT: Final = re.compile(rb"0e00000+(?:,|$)")
_ESCAPE: Final = re.compile(
    r"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|(?P<zero>\\u0000)|(?P<other>\\.)|(?P<raw>[\x00-\x1f])",
    re.DOTALL,
)
_OPENING: Final = {"[": "]", "{": "}"}
_REPLACEMENT: Final = "\\ufffd"


class NotJson(ValueError):
    """Bytes that are not JSON, or a part of it only; never leaves `platforms`."""


def is_suspect(raw: bytes) -> bool:
    """Whether JSONB may refuse JSON that a strict reader accepts; a quick test that errs on the side of True."""
    if _SUSPECT_ESCAPE.search(raw) is not None:
        return True
    outline = raw.translate(_OUTLINE, _NOT_IN_OUTLINE)
    if outline.count(b"[") > MAX_DEPTH:
        return True
    if _OUTLINED_EXPONENT.search(outline) is not None and _LARGE_EXPONENT.search(raw) is not None:
        return True
    return len(raw) > _MAX_FRACTION_DIGITS and b"0" * (_MAX_FRACTION_DIGITS + 1) in outline


def clean_json(raw: bytes) -> tuple[str, str | None]:
    """Return JSON text that JSONB accepts, and what was changed as a short phrase (None: nothing).

    Characters that JSONB cannot hold become U+FFFD. Numbers that it cannot hold, and values nested deeper than
    `MAX_DEPTH`, become null.

    Raises:
        NotJson: `raw` is no JSON even after these changes.
    """
    changes: set[str] = set()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        changes.add("invalid UTF-8")
        text = raw.decode(errors="replace")
    cleaned = "".join(_shallow_tokens(text, changes))
    try:
        msgspec.json.decode(cleaned, type=msgspec.Raw)
    except msgspec.DecodeError:
        raise NotJson from None
    return cleaned, ", ".join(sorted(changes)) or None


def split_array(array: bytes) -> list[bytes]:
    """Return the exact bytes of each element of an array, without parsing them.

    Raises:
        NotJson: `array` is no array, or is cut off.
    """
    return _split(array.strip(), b"[", b"]")


def split_object(value: bytes) -> dict[str, bytes]:
    """Return the exact bytes of each value of an object; bytes of a key that are no UTF-8 become U+FFFD.

    Raises:
        NotJson: `value` is no object, or is cut off.
    """
    found = {}
    for span in _split(value.strip(), b"{", b"}"):
        if (member := _MEMBER.fullmatch(span)) is None:
            raise NotJson
        found[member[1][1:-1].decode(errors="replace")] = member[2]
    return found


def _split(container: bytes, opening: bytes, closing: bytes) -> list[bytes]:
    spans: list[bytes] = []
    depth = start = 0
    for token in _BYTE_TOKEN.finditer(container):
        symbol = token[0]
        if symbol in (b"[", b"{"):
            depth += 1
            if depth == 1:
                if symbol != opening or token.start() != 0:
                    raise NotJson
                start = token.end()
        elif symbol in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                if symbol != closing or token.end() != len(container):
                    raise NotJson
                last = container[start : token.start()].strip()
                return [*spans, last] if last or spans else []
        elif symbol == b"," and depth == 1:
            spans.append(container[start : token.start()].strip())
            start = token.end()
        elif symbol == b'"':
            raise NotJson
    raise NotJson


def _shallow_tokens(text: str, changes: set[str]) -> list[str]:
    cleaned: list[str] = []
    expected: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in _OPENING:
            expected.append(_OPENING[token])
            if len(expected) == MAX_DEPTH + 1:
                changes.add("nested too deeply")
                cleaned.append("null")
        elif token in ("]", "}"):
            if not expected or expected.pop() != token:
                raise NotJson
            if len(expected) == MAX_DEPTH:
                continue
        if len(expected) <= MAX_DEPTH:
            cleaned.append(_storable(token, changes))
    return cleaned


def _storable(token: str, changes: set[str]) -> str:
    if token[0] == '"':
        return _ESCAPE.sub(lambda escape: _storable_escape(escape, changes), token)
    if token in ("NaN", "Infinity", "-Infinity"):
        changes.add("number that is none")
        return "null"
    number = _NUMBER.fullmatch(token)
    if number is not None and not _fits_numeric(number):
        changes.add("number out of range")
        return "null"
    return token


def _storable_escape(escape: re.Match[str], changes: set[str]) -> str:
    match escape.lastgroup:
        case "half":
            changes.add("lone surrogate")
            return _REPLACEMENT
        case "zero":
            changes.add("U+0000")
            return _REPLACEMENT
        case "raw":
            changes.add("control character")
            return _REPLACEMENT if escape[0] == "\0" else f"\\u{ord(escape[0]):04x}"
        case _:
            return escape[0]


def _fits_numeric(number: re.Match[str]) -> bool:
    whole, fraction, sign, exponent = number.group(1), number.group(2) or "", number.group(3), number.group(4) or "0"
    exponent = exponent.lstrip("0") or "0"
    if len(exponent) > _MAX_EXPONENT_DIGITS:
        return False
    shift = -int(exponent) if sign == "-" else int(exponent)
    return len(whole) + shift <= _MAX_INTEGER_DIGITS and len(fraction) - shift <= _MAX_FRACTION_DIGITS
