"""What no log line may say: who a guest is, codes of doors and networks, and whatever opens an account.

Two ways, because a line is made of fields and of text: a field is known by its name, and text by what secrets and
addresses look like, or by a name that stands before a value in it. A name alone is no pattern: what logs one must name
the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, MutableMapping

HIDDEN: Final = "[hidden]"
_LONGEST: Final = 100_000
_DEEPEST: Final = 20

# Hostaway's names (API notes, 7.2, 7.3, 9.2, 9.3), in small letters and without underscores.
_PERSONAL: Final = (
    "ccname",
    "ccnumber",
    "confirmationcode",
    "customfieldvalues",
    "customericalname",
    "cvc",
    "doorcode",
    "doorsecuritycode",
    "guestaddress",
    "guestauthhash",
    "guestcity",
    "guestemail",
    "guestexternalaccountid",
    "guestfirstname",
    "guestlastname",
    "guestname",
    "guestnote",
    "guestphone",
    "guestpicture",
    "guestportalrevampurl",
    "guestportalurl",
    "guestzipcode",
    "hostemail",
    "hostnote",
    "hostproxyemail",
    "phone",
    "recipientemail",
    "recipientname",
    "recipientpicture",
    "stripeguestid",
    "wifipassword",
    "wifiusername",
)
# Words that sentences have as well: a field, or in text a name only where its value is in quotes or behind "=".
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
_FIELDS: Final = frozenset((*_PERSONAL, *_WORDS, *_WHOLE))


def _in_text(*names: str) -> str:
    """Write names as they may stand in text: an underscore or a hyphen may be between any two letters."""
    return "|".join("[_-]?".join(name) for name in sorted(names, key=len, reverse=True))


# How deeply text is quoted in text is bounded, or a line of backslashes alone would take minutes.
_MARK: Final = r"(?P<mark>\\{0,7}[\"']?)"
_QUOTED: Final = r"""[ub]?\\{0,7}(?:"(?:\\.|[^"\\])*+(?:"|\Z)?|'(?:\\.|[^'\\])*+(?:'|\Z)?)"""
_BARE: Final = r"(?!\[hidden\])[^,;&})\]\n]{1,200}"
_PERSONAL_IN_TEXT: Final = re.compile(
    rf"(?P<name>(?<![a-z]){_MARK}(?:{_in_text(*_PERSONAL)})(?P=mark)\s{{0,3}}[=:]\s{{0,3}})(?:{_QUOTED}|{_BARE})",
    re.IGNORECASE | re.DOTALL,
)
_SECRET_IN_TEXT: Final = re.compile(
    rf"(?P<name>{_MARK}(?:{_in_text(*_SECRET, *_WORDS)})(?P=mark)\s{{0,3}})"
    rf"(?:[=:]\s{{0,3}}{_QUOTED}|=\s{{0,3}}{_BARE})",
    re.IGNORECASE | re.DOTALL,
)
_PATTERNS: Final = (
    (re.compile(r"\b(Bearer|Basic)\s+[\w~+/.=-]{4,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{2,}(?:\.[\w-]*)?"), HIDDEN),
    (re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{43}=(?![\w=])"), HIDDEN),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), HIDDEN),
    # What stands before the host may be a password; behind it stand portals, signed links and path secrets.
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,20})://[^\s/@\"'<>]{0,200}@", re.IGNORECASE), rf"\1://{HIDDEN}@"),
    (re.compile(r"\b(https?://[^\s/?#\"'<>\\@]{1,200})[/?#][^\s\"'<>\\]+", re.IGNORECASE), rf"\1/{HIDDEN}"),
    (re.compile(r"(/webhooks/\w{1,30}/\d{1,19}/)[^\s\"'<>?\\]+"), rf"\1{HIDDEN}"),
    (re.compile(r"[\w.!#$%&*+/=?^`{|}~-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"), HIDDEN),
    # A number alone may be an id: only a country's prefix makes it somebody's.
    (re.compile(r"(?<![\w+])(?:\+|\b00(?=[1-9]\d?[ ()/-]))\d[\d ()/-]{6,20}\d(?![\w])"), HIDDEN),
)


class Discretion:
    """A link of structlog's chain, to stand before whatever renders the line."""

    def __call__(self, logger: object, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        """Give the fields of a line without what must not be said; nothing that they hold is changed."""
        del logger, method
        return {_text(str(key)): _value(str(key), value, 0, ()) for key, value in event.items()}


def hidden(text: str) -> str:
    """Give a text without what must not be said, its end left out where it is very long."""
    return _text(text)


def _value(name: str, value: object, depth: int, above: tuple[int, ...]) -> object:
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(name):
        return HIDDEN
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (Mapping, list, tuple, AbstractSet)):
        return "..." if depth >= _DEEPEST or id(value) in above else _parts(value, depth + 1, (*above, id(value)))
    return _text(_shown(value))


def _parts(value: Mapping[Any, Any] | Collection[Any], depth: int, above: tuple[int, ...]) -> object:
    if isinstance(value, Mapping):
        return {_text(str(key)): _value(str(key), one, depth, above) for key, one in list(value.items())}
    return [_value("", one, depth, above) for one in list(value)]


def _shown(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value[:_LONGEST]).decode(errors="replace")
    try:
        return str(value) if isinstance(value, (str, BaseException)) else repr(value)
    except Exception as error:  # noqa: BLE001  (a log line must not fail for what it shows)
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _is_secret(name: str) -> bool:
    bare = name.lower().replace("_", "").replace("-", "")
    return bare in _FIELDS or any(word in bare for word in _SECRET)


def _text(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text)} characters)"
    text = _PERSONAL_IN_TEXT.sub(rf"\g<name>{HIDDEN}", text)
    text = _SECRET_IN_TEXT.sub(rf"\g<name>={HIDDEN}", text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
