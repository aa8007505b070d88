"""Read JSON of the database, whatever numbers it holds: a source may send more digits than Python reads."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Python refuses to read an integer of more digits, to be safe from slow conversions; `Decimal` reads any at once.
_MOST_DIGITS: Final = 4_000


def _read_integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MOST_DIGITS else Decimal(text)


_USUAL: Final = json.JSONDecoder()
_EXACT: Final = json.JSONDecoder(parse_float=Decimal)
_ANY: Final = json.JSONDecoder(parse_int=_read_integer)
_ANY_EXACT: Final = json.JSONDecoder(parse_float=Decimal, parse_int=_read_integer)


def _decode(text: str | bytes, usual: json.JSONDecoder, patient: json.JSONDecoder) -> Any:  # noqa: ANN401  (any JSON)
    whole = text if isinstance(text, str) else text.decode()
    try:
        return usual.decode(whole)
    except ValueError:
        # Only the patient one reads enormous integers, and it takes longer for each other integer.
        return patient.decode(whole)


read_json: Final[Callable[[str | bytes], Any]] = partial(_decode, usual=_USUAL, patient=_ANY)
"""Return a value of JSON; an integer of thousands of digits is a `Decimal`."""

read_exact_json: Final[Callable[[str | bytes], Any]] = partial(_decode, usual=_EXACT, patient=_ANY_EXACT)
"""Return a value of JSON; fractions are `Decimal`, with all their digits."""
