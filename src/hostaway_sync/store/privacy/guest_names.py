"""Parts of a guest's name, and whether a text holds one of them as a word of its own.

A whole name is a trace (see `guest_traces`), and is sought anywhere. A part of it fits other persons, too: it only
counts as a word of its own, in rows of which nothing worth keeping is lost by a mistake.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from hostaway_sync.safe_text import is_known_word
from hostaway_sync.store.privacy import guest_traces
from hostaway_sync.store.privacy.letter_case import fold_case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.model.vocabulary import Vocabulary

_SHORTEST: Final = 2
_FEWEST_ASCII: Final = 3


@dataclass(frozen=True, slots=True)
class GuestNames:
    """Parts of the names of a guest, in small letters.

    Attributes:
        last: last names, and the last word of each whole name.
        parts: these, and all other words of the names.
    """

    last: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()

    def __or__(self, other: GuestNames) -> GuestNames:
        """Return the names of both."""
        return GuestNames(self.last | other.last, self.parts | other.parts)

    def are_in(self, text: str, *, is_document: bool, is_whose: bool) -> bool:
        """Whether a text holds one of the names as a word of its own.

        Args:
            text: JSON or plain text.
            is_document: it is what a sender wrote; else it is an error, where a known word is no name.
            is_whose: it is about an object that another guest has; else any part of the name shows whose it is.
        """
        names = self.last if is_whose else self.parts
        if not is_document:
            names = frozenset(name for name in names if not is_known_word(name))
        plain = [_plain(one) for one in texts_in(text)]
        return any(_is_in(name, one) for one in plain for name in names)

    def list_ascii(self) -> list[str] | None:
        """Return letters of each name, some of which are in every ASCII text that names the guest, in small letters.

        None: a name has too few of them, so that every text must be read.
        """
        runs = [max(re.findall("[a-z]+", name) or [""], key=len) for name in self.parts]
        return None if any(len(run) < _FEWEST_ASCII for run in runs) else sorted(set(runs))


def find_names(payload: str, words: Vocabulary) -> GuestNames:
    """Return the names of the guest in a reservation, a conversation or a delivery about one."""
    last: set[str] = set()
    parts: set[str] = set()
    for place in guest_traces.list_places(payload, words):
        for key in words.last_name_keys:
            last |= _endings(_text(place.get(key)), is_last=True)
        for key in words.whole_name_keys:
            name = _text(place.get(key))
            # "Berg, Ida" begins with the last name.
            last |= _endings(name) | _endings(name.partition(",")[0])
        for key in (*words.first_name_keys, *words.last_name_keys, *words.whole_name_keys):
            parts |= set(_plain(_text(place.get(key))).split())
    long = frozenset(name for name in last if len(name) >= _SHORTEST)
    return GuestNames(long, long | {name for name in parts if len(name) >= _SHORTEST})


def texts_in(text: str) -> Iterator[str]:
    """Yield the texts in JSON, at any depth, keys too; of another text, the text itself."""
    try:
        waiting = [msgspec.json.decode(text)]
    except (msgspec.MsgspecError, RecursionError):
        waiting = [text]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value


def _endings(name: str, *, is_last: bool = False) -> set[str]:
    """Return the last word of a name, the last part of that word, and of a last name the whole."""
    words = name.split() or [""]
    return {_plain(words[-1]), (_plain(name).split() or [""])[-1], _plain(name) if is_last else ""}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _plain(text: str) -> str:
    """Return the words of a text in small letters, with one space between any two."""
    return " ".join(re.findall(r"[^\W_]+", fold_case(text)))


def _is_in(name: str, text: str) -> bool:
    """Whether a name is among the words of a text; scripts without capital letters have no space between words."""
    if any(unicodedata.category(letter) == "Lo" for letter in name):
        return name in text
    return f" {name} " in f" {text} "
