"""Decodes the content encoding of an answer in small pieces: a small answer must not become a huge one at once."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ACCEPT_ENCODING: Final = {"Accept-Encoding": "gzip"}
_PIECE: Final = 64 * 1024
# Accepts the headers of gzip and of zlib.
_EITHER_HEAD: Final = zlib.MAX_WBITS | 32


def decode_chunks(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Return the content of an answer in pieces of at most 64 KiB, as they arrive.

    Args:
        chunks: the bytes as they came.
        encoding: the header `Content-Encoding`.

    Raises:
        SourceUnavailable: the answer is encoded in a way that was not asked for (twice, for example), or is cut off.
    """
    # Where nothing is encoded, some proxies write `identity`, or nothing between two commas.
    names = [name for name in (part.strip().lower() for part in encoding.split(",")) if name not in ("", "identity")]
    if not names:
        yield from chunks
    elif names in (["gzip"], ["x-gzip"], ["deflate"]):
        yield from _inflated(chunks)
    else:
        raise SourceUnavailable("Hostaway's answer is encoded in a way that was not asked for")


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inflating = zlib.decompressobj(_EITHER_HEAD)
    is_empty = True
    try:
        for chunk in chunks:
            rest, is_empty = chunk, False
            while rest and not inflating.eof:
                yield inflating.decompress(rest, _PIECE)
                rest = inflating.unconsumed_tail
        # The whole input is read; what zlib still holds back is its last output.
        while not inflating.eof and (piece := inflating.decompress(b"", _PIECE)):
            yield piece
    except zlib.error:
        raise SourceUnavailable("Hostaway's answer is not the gzip that its head promises") from None
    if not inflating.eof and not is_empty:
        raise SourceUnavailable("Hostaway's answer ended in the middle")
