"""What an answer with a single object means, without a connection."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hostaway_sync.errors import NotFound, RequestRejected, SourceUnavailable, TokenRejected
from hostaway_sync.platforms.hostaway.http.protocol import decode_object, decode_result

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def single(body: bytes, status: int = 200) -> bytes:
    """Decode a single object."""
    return decode_object(status, {}, body, now=NOW, asked="GET /listings/1")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id" : 1.0,"a":[1, 2]}',
        rb'{"id":1,"body":"\ud83d"}',
        b'{"id":1,"body":"\xff"}',
        b'{"id":1,"body":"a\nb"}',
        b'{"id":NaN}',
        b'{"id":1,"deep":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b"{nonsense}",
    ],
    ids=lambda raw: repr(raw)[:40],
)
def test_an_object_is_given_to_the_byte(raw: bytes) -> None:
    """Even if a strict JSON reader refuses it; `as_record` cleans it later."""
    assert single(b'{"status":"success","result": ' + raw + b' ,"count":null}') == raw


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><h1>502 Bad Gateway</h1></html>",
        b'{"status":"success","result":{"id":1}',
        b'{"status":"success","result":null}',
        b'{"status":"success","result":[{"id":1}]}',
        b'{"status":"success","result":"1"}',
        b'{"status":"success","result":NaN}',
        b'{"status":"success"}',
        b'{"status":"fail","result":{"id":1}}',
        b'{"result":{"id":1}}',
        b'{"id":1}',
    ],
)
def test_body_without_an_object_may_be_asked_for_again(body: bytes) -> None:
    """Nothing, a list, a bare object and a failure with status 200 are none."""
    with pytest.raises(SourceUnavailable, match="GET /listings/1"):
        single(body)


def test_an_object_that_is_not_there_is_not_found() -> None:
    """A refusal means of one object what it means of a list."""
    with pytest.raises(NotFound):
        single(b"", 404)
    with pytest.raises(TokenRejected):
        single(b"", 403)


def changed(body: bytes, status: int = 200) -> bytes:
    """Decode what a change was answered with."""
    return decode_result(status, {}, body, now=NOW, asked="PUT /listings/1")


@pytest.mark.parametrize("result", [b'{"id":1}', b"[]", b"null"])
def test_a_change_may_be_answered_with_anything(result: bytes) -> None:
    """An object, an empty list, or nothing: it was done."""
    assert changed(b'{"status":"success","result":' + result + b"}") == result


def test_a_change_that_failed_is_not_worth_another_try() -> None:
    """Whether the status says so or only the body does."""
    for body, status in ((b'{"status":"fail","message":"no"}', 200), (b'{"status":"fail","message":"no"}', 400)):
        with pytest.raises(RequestRejected, match="no"):
            changed(body, status)


@pytest.mark.parametrize(("body", "status"), [(b"<html>", 200), (b"{}", 200), (b"", 502)])
def test_a_change_whose_answer_says_nothing_may_have_been_done(body: bytes, status: int) -> None:
    """The caller must check whether the change was made."""
    with pytest.raises(SourceUnavailable):
        changed(body, status)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"\n <html> ", "a page of HTML"),
        (b' {"status":', "torn or other JSON"),
        (b"[1,", "torn or other JSON"),
        (b"no {<[ here", "plain text"),
    ],
)
def test_an_answer_without_an_envelope_is_named_by_its_kind(body: bytes, kind: str) -> None:
    """A proxy's page of errors, or an answer that was cut off: each is looked for at another place."""
    with pytest.raises(SourceUnavailable, match=f"^Hostaway answered PUT /listings/1 with {kind} instead of a result$"):
        changed(body)
