"""Mail addresses as people write them, normalized: the same rule for stored ones and for those that are asked for.

What makes no difference: capital letters, the form of Unicode, punctuation around it, quotation marks that a name does
not need, comments, and whether a host is written in its own letters or as `xn--`.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Final
from urllib.parse import unquote

from hostaway_sync.store.privacy.letter_case import fold_case

# An apostrophe is a part of a name between two of its letters; else it is a quotation mark.
_ATOM: Final = r"(?:[^\s<>()\[\],;:\"'|\\]|(?<=\w)'(?=\w))+"
_QUOTED: Final = r'"(?:[^"\\\r\n]|\\.)+"'
_HOST: Final = r"\[[^\]\s]{1,80}\]|[^\s<>()\[\],;:\"'|\\@]+"
_ADDRESS: Final = re.compile(rf"({_QUOTED}|{_ATOM})@({_HOST})")
_COMMENT: Final = re.compile(r"(?<=[^\s<(,;])\([^()@]*\)|\([^()@]*\)(?=@)")
_AROUND: Final = ".!?*_"
_BEFORE: Final = ".!?*"
_PUNYCODE: Final = "xn--"
# A capital I may have been any of these; more than so many in one address are not varied.
_LETTERS_I: Final = ("i", "\u0131", "i\u0307")
_MOST_VARIED: Final = 5


def addresses_in(text: str) -> frozenset[str]:
    """Return the mail addresses in a text, normalized."""
    is_escaped = "mailto:" in text.lower() or ("@" not in text and "%40" in text)
    plain = _COMMENT.sub("", fold_case(unquote(text) if is_escaped else text))
    found = (f"{_local(local)}@{_host(host)}" for local, host in _ADDRESS.findall(plain))
    return frozenset(one for one in found if one.strip("@").count("@"))


def list_spellings(address: str, written: str = "") -> frozenset[str]:
    """Return the texts that the source may hold for an address; of some fields only a hash of them is stored.

    Args:
        address: a normalized address.
        written: the address as it was asked for.
    """
    name, _, host = address.rpartition("@")
    names, hosts = {name}, {host, _as_punycode(host)}
    names |= {name[1:-1]} if name.startswith('"') else {f'"{name}"'}
    if name.count("i") <= _MOST_VARIED:
        names = {"".join(letters) for one in names for letters in product(*map(_variants, one))}
    asked, _, at = written.strip().casefold().rpartition("@")
    forms = {f"{one}@{place}" for one in (*names, asked or name) for place in (*hosts, at or host)}
    return frozenset(form for one in forms for form in (one, f"{one}.", f"mailto:{one}", f"<{one}>"))


def list_host_forms(address: str) -> frozenset[str]:
    """Return a normalized address with its host in its own letters, and as `xn--`."""
    name, _, host = address.rpartition("@")
    return frozenset({address, f"{name}@{_as_punycode(host)}"})


def _local(name: str) -> str:
    """Return the part before the host, in quotation marks only where it needs them."""
    if not name.startswith('"'):
        return name.lstrip(_BEFORE)
    content = re.sub(r"\\(.)", r"\1", name[1:-1])
    if "@" not in content and re.fullmatch(_ATOM, content) and not content.startswith(tuple(_BEFORE)):
        return content
    return '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'


def _host(host: str) -> str:
    """Return a host in its own letters."""
    labels = host.replace("\u3002", ".").strip(_AROUND).split(".")
    return ".".join(_own_letters(label) for label in labels)


def _own_letters(label: str) -> str:
    if not label.startswith(_PUNYCODE):
        return label
    try:
        return fold_case(label.removeprefix(_PUNYCODE).encode("ascii").decode("punycode"))
    except UnicodeError:
        return label


def _as_punycode(host: str) -> str:
    labels = (one if one.isascii() else _PUNYCODE + one.encode("punycode").decode() for one in host.split("."))
    return ".".join(labels)


def _variants(letter: str) -> tuple[str, ...]:
    return _LETTERS_I if letter == "i" else (letter,)
