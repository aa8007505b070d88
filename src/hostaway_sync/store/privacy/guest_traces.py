"""Traces: texts that identify a guest in rows without ids, and the spellings that they may have.

A first name alone fits many persons, and so does a town. The vocabulary lists the fields that name one person.
"""

from __future__ import annotations

import json
import re
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hostaway_sync.model.records import Resource
from hostaway_sync.safe_text import strip_invisible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.model.vocabulary import Vocabulary

_SHORTEST: Final = 5
_SHORTEST_NUMBER: Final = 7
_SMALL: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def find_traces(payload: str, words: Vocabulary) -> set[str]:
    """Return the texts that name one person in a reservation or conversation, or in its copy of a reservation."""
    document = msgspec.json.decode(payload)
    copy = words.copy_keys.get(Resource.RESERVATIONS)
    places = [document, document.get(copy)] if isinstance(document, dict) else []
    found = {_joined(place, names) for place in places if isinstance(place, dict) for names in words.name_keys}
    found |= {re.sub(r"[^0-9]", "", one) for one in found if re.fullmatch(r"[0-9 ()/.+-]*", one)}
    return {one for one in found if len(one) >= (_SHORTEST_NUMBER if one.isdecimal() else _SHORTEST)}


def list_spellings(texts: Iterable[str]) -> set[str]:
    """Return the spellings of texts that a column may hold (JSON, other cases, as shown), in lower ASCII case."""
    forms: set[str] = set()
    for text in texts:
        for one in (text, text.strip(), strip_invisible(text), text.lower(), text.upper(), text.title()):
            forms |= {one, *(json.dumps(one, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))}
    return {one.translate(_SMALL) for one in forms if len(one) >= _SHORTEST}


def _joined(place: dict[str, Any], names: str) -> str:
    values = [place.get(name) for name in names.split()]
    whole = all(isinstance(value, str | int) and value for value in values)
    return " ".join(str(value).strip() for value in values) if whole else ""
