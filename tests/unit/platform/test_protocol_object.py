"""What an answer with a single object means, without a connection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hostaway_sync.errors import NotFound, RateLimited, RequestRejected, SourceUnavailable, TokenRejected
from hostaway_sync.platforms.hostaway.http.protocol import Listing, decode_object, decode_result, decode_values

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
def test_object_keeps_its_exact_bytes(raw: bytes) -> None:
    """Even if a strict JSON parser refuses it; `as_record` cleans it later."""
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
def test_body_without_an_object_is_a_temporary_error(body: bytes) -> None:
    """Nothing, a list, an object without envelope, and a failure with status 200."""
    with pytest.raises(SourceUnavailable, match="GET /listings/1"):
        single(body)


def test_missing_object_is_not_found() -> None:
    """Other refusals mean the same as for a list."""
    with pytest.raises(NotFound):
        single(b"", 404)
    with pytest.raises(TokenRejected):
        single(b"", 403)


def changed(body: bytes, status: int = 200) -> bytes:
    """Decode the answer to a change."""
    return decode_result(status, {}, body, now=NOW, asked="PUT /listings/1")


@pytest.mark.parametrize("result", [b'{"id":1}', b"[]", b"null"])
def test_successful_change_may_have_any_result(result: bytes) -> None:
    """An object, an empty list, or nothing."""
    assert changed(b'{"status":"success","result":' + result + b"}") == result


def test_failed_change_is_a_permanent_error() -> None:
    """Whether the status says so or only the body does."""
    for body, status in ((b'{"status":"fail","message":"no"}', 200), (b'{"status":"fail","message":"no"}', 400)):
        with pytest.raises(RequestRejected, match="no"):
            changed(body, status)


@pytest.mark.parametrize(("body", "status"), [(b"<html>", 200), (b"{}", 200), (b"", 502)])
def test_change_with_an_unclear_answer_may_have_been_made(body: bytes, status: int) -> None:
    """The caller must check it."""
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
def test_answer_without_an_envelope_is_named_by_its_kind(body: bytes, kind: str) -> None:
    """A proxy's error page and a torn answer have different causes."""
    with pytest.raises(SourceUnavailable, match=f"^Hostaway answered PUT /listings/1 with {kind} instead of a result$"):
        changed(body)


def valued(result: bytes) -> Listing:
    """Decode a list that may come as an object."""
    body = b'{"status":"success","count":7,"result": ' + result + b" }"
    return decode_values(200, {}, body, now=NOW, asked="GET /fees")


def test_list_may_come_as_an_object_of_its_rows() -> None:
    """Its keys are kept beside the exact bytes of the rows."""
    assert valued(b'[{"id" : 1}, {"id":NaN}]') == Listing([b'{"id" : 1}', b'{"id":NaN}'], 7)
    assert valued(b'{"a": {"id" : 1}, "b":7}') == Listing([b'{"id" : 1}', b"7"], 7, ["a", "b"])
    assert valued(b"{}") == Listing([], 7, [])


@pytest.mark.parametrize("result", [b"7", b'"{"', b"null"])
def test_neither_list_nor_object_is_a_temporary_error(result: bytes) -> None:
    """The sentence names the request."""
    with pytest.raises(SourceUnavailable) as caught:
        valued(result)
    assert str(caught.value) == "Hostaway answered GET /fees with a result that is no list"


def test_refused_list_of_values_is_a_refused_list() -> None:
    """With the wait that the source asks for, by its own clock."""
    with pytest.raises(SourceUnavailable, match=r"^Hostaway answered GET /fees with an empty body instead of a list$"):
        decode_values(200, {}, b"", now=NOW, asked="GET /fees")
    headers = {"X-RateLimit-Retry-After": str(NOW.timestamp() + 7)}
    with pytest.raises(RateLimited, match="GET /fees") as limited:
        decode_values(429, headers, b'{"message":"too fast"}', now=NOW, asked="GET /fees")
    assert limited.value.retry_in == timedelta(seconds=7)
    assert str(limited.value) == "Hostaway answered GET /fees with 429: too …"
