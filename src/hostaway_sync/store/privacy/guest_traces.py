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
from hostaway_sync.store.privacy.mail_addresses import addresses_in, list_host_forms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.model.vocabulary import Vocabulary

_SHORTEST: Final = 5
_SHORTEST_NUMBER: Final = 7
_SMALL: Final = str.maketrans(ascii_uppercase, ascii_lowercase)


def find_traces(payload: str, words: Vocabulary) -> set[str]:
    """Return the texts that name one person in a reservation, a conversation or a delivery about one."""
    found = {_joined(place, names) for place in list_places(payload, words) for names in words.name_keys}
    found |= {form for one in found for address in addresses_in(one) for form in list_host_forms(address)}
    found |= {re.sub(r"[^0-9]", "", one) for one in found if re.fullmatch(r"[0-9 ()/.+-]*", one)}
    return {one for one in found if len(one) >= (_SHORTEST_NUMBER if one.isdecimal() else _SHORTEST)}


def list_places(payload: str, words: Vocabulary) -> list[dict[str, Any]]:
    """Return the objects in a payload that are about a guest: where a delivery may hold one, and the copy in each."""
    document, found = msgspec.json.decode(payload), []
    for path in words.delivery_paths or ((),):
        place = document
        for key in path:
            place = place.get(key) if isinstance(place, dict) else None
        copy = place.get(words.copy_keys.get(Resource.RESERVATIONS)) if isinstance(place, dict) else None
        found += [one for one in (place, copy) if isinstance(one, dict)]
    return found


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
