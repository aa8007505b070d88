"""JSON objects in a stream, as one document or one object a line, in ASCII."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from msgspec.json import Encoder

# DEL is ASCII, and a terminal obeys it.
_ESCAPED: Final = re.compile(r"[\x7f-\U0010ffff]")


def json_pieces(objects: Iterable[str], *, is_lines: bool) -> Iterator[bytes]:
    """Yield objects as lines, or as the lines of one array."""
    if is_lines:
        for text in objects:
            yield b"%s\n" % _ascii(text)
        return
    before = b"[\n"
    for text in objects:
        yield before + _ascii(text)
        before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"


def exact_json(document: object) -> str:
    """Return a document as JSON; a `Decimal` is a number with all its digits."""
    return _encoder().encode(document).decode()


@cache
def _encoder() -> Encoder:
    from msgspec.json import Encoder

    return Encoder(decimal_format="number")


def _ascii(text: str) -> bytes:
    return _ESCAPED.sub(lambda sign: json.dumps(sign[0])[1:-1], text).encode("ascii")
