"""Answers with a content encoding."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from hostaway_sync.errors import SourceUnavailable
from hostaway_sync.platforms.hostaway.http.content_encoding import decode_chunks

PIECE = 64 * 1024
TEXT = b'{"status":"success","result":[]}' * 10
# Incompressible, so that its bytes come in many chunks.
RANDOM = random.Random(7).randbytes(300_000)  # noqa: S311  (no secret)


def decoded(encoding: str, *chunks: bytes) -> bytes:
    """Return the content of an answer that comes in these chunks."""
    return b"".join(decode_chunks(chunks, encoding))


@pytest.mark.parametrize("encoding", ["", "identity", " , ", "Identity,", "identity, identity"])
def test_answer_without_an_encoding_passes_unchanged(encoding: str) -> None:
    """Some proxies write `identity`, or nothing between two commas."""
    assert list(decode_chunks([b"ab", b"c"], encoding)) == [b"ab", b"c"]


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "identity, gzip", "gzip,"])
def test_gzip_is_decoded_under_each_of_its_names(encoding: str) -> None:
    """In any chunks, empty ones among them."""
    packed = gzip.compress(TEXT)
    assert decoded(encoding, packed) == TEXT
    assert decoded(encoding, *(packed[at : at + 1] for at in range(len(packed))), b"") == TEXT


def test_deflate_is_decoded() -> None:
    """With the head of zlib."""
    assert decoded("deflate", zlib.compress(TEXT)) == TEXT


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "gzip, deflate", "deflate, br"])
def test_encoding_that_was_not_requested_is_refused(encoding: str) -> None:
    """A doubly encoded answer is a bomb or an error."""
    with pytest.raises(SourceUnavailable, match="encoded in a way that was not asked for"):
        decoded(encoding, gzip.compress(TEXT))


@pytest.mark.parametrize(
    "content", [b"\0" * 1_000_000, RANDOM, RANDOM + b"\0" * 500_000], ids=["dense", "random", "both"]
)
def test_large_answer_comes_in_small_pieces(content: bytes) -> None:
    """A kilobyte can hold a megabyte: each piece is at most 64 KiB, and none is lost."""
    packed = gzip.compress(content)
    pieces = list(decode_chunks((packed[at : at + 50_000] for at in range(0, len(packed), 50_000)), "gzip"))
    assert max(map(len, pieces)) <= PIECE
    assert b"".join(pieces) == content


@pytest.mark.parametrize("kept", [1, 12, -9, -1])
def test_answer_that_is_cut_off_is_refused(kept: int) -> None:
    """In its head, its content or its checksum."""
    with pytest.raises(SourceUnavailable, match="ended in the middle"):
        decoded("gzip", gzip.compress(TEXT)[:kept])


def test_answer_without_a_byte_is_empty() -> None:
    """Some servers name an encoding without sending a byte."""
    assert decoded("gzip") == b""


def test_bytes_after_the_end_do_not_count() -> None:
    """Neither in the last chunk, nor in one of their own."""
    packed = gzip.compress(TEXT)
    assert decoded("gzip", packed + b"more", b"and more") == TEXT


@pytest.mark.parametrize("broken", [b"plain text", gzip.compress(TEXT)[:-8] + b"12345678"], ids=["head", "checksum"])
def test_answer_that_is_no_gzip_is_refused(broken: bytes) -> None:
    """Head and checksum must be right."""
    with pytest.raises(SourceUnavailable, match="not the gzip that its head promises"):
        decoded("gzip", broken)
