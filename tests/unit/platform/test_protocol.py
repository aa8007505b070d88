"""What an answer means, without a connection."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostaway_sync.errors import (
    CredentialsRejected,
    NotFound,
    RateLimited,
    RequestRejected,
    SourceError,
    SourceUnavailable,
    TokenRejected,
)
from hostaway_sync.platforms.hostaway.http.protocol import Listing, decode_list, decode_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hostaway_sync.model.records import AccessToken

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
PAGE = b'{"status":"success","result":[{"id":1}, {"id":2}],"count":7,"limit":2,"offset":0}'


def listed(status: int = 200, body: bytes = PAGE, headers: Mapping[str, str] | None = None) -> Listing:
    """Decode a list."""
    return decode_list(status, headers or {}, body, now=NOW, asked="GET /listings")


def issued(body: bytes, status: int = 200) -> AccessToken:
    """Decode an answer of the token route."""
    return decode_token(status, {}, body, now=NOW, account_id=70001)


def limited(headers: Mapping[str, str]) -> RateLimited:
    """Decode a 429."""
    with pytest.raises(RateLimited) as caught:
        listed(429, b'{"status":"fail","message":"too fast"}', headers)
    return caught.value


def test_list_gives_the_exact_bytes_of_its_rows() -> None:
    """Neither numbers nor spaces inside a row change."""
    body = b'{"status":"success","count":2,"result":[{"id" : 1.0,"a":[1, 2]} ,{"id":2}]}'
    assert listed(body=body) == Listing([b'{"id" : 1.0,"a":[1, 2]}', b'{"id":2}'], 2)


@pytest.mark.parametrize(
    ("count", "expected"),
    [("7", 7), ('"7"', 7), ("7.0", 7), ("null", None), ('"x"', None), ("-1", None), ("[7]", None), ("true", None)],
)
def test_count_of_another_type_is_left_out(count: str, expected: int | None) -> None:
    """It is no failure."""
    body = f'{{"status":"success","result":[],"limit":null,"offset":"x","count":{count}}}'
    assert listed(body=body.encode()).count == expected


def test_list_without_paging_keys_is_a_list() -> None:
    """Any of the paging keys can be absent."""
    assert listed(body=b'{"status":"success","result":[]}') == Listing([], None)


@pytest.mark.parametrize(
    "row",
    [
        rb'{"id":2,"body":"\ud83d"}',
        b'{"id":2,"body":"\xff"}',
        b'{"id":2,"body":"a\nb"}',
        b'{"id":2,"price":NaN}',
        b'{"id":2,"body":"]},{[\\"","x":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b"{nonsense}",
    ],
    ids=lambda row: repr(row)[:40],
)
def test_bad_row_does_not_spoil_its_page(row: bytes) -> None:
    """All rows are cut out exactly, the bad one included."""
    body = b'{"status":"success","result":[{"id":1},' + row + b' , {"id":3}],"count":3}'
    assert listed(body=body) == Listing([b'{"id":1}', row, b'{"id":3}'], 3)


def test_envelope_with_a_broken_scalar_keeps_its_rows() -> None:
    """A count that no parser accepts is no count."""
    body = b'{"status":"success","result":[],"count":NaN}'
    assert listed(body=body) == Listing([], None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"<html><h1>502 Bad Gateway</h1></html>",
        PAGE[: len(PAGE) // 2],
        b"[1,2]",
        b"date;price",
        b'{"status":"success","result":null,"count":0}',
        b'{"status":"success","result":{"id":1}}',
        b'{"status":"success","result":{"id":NaN}}',
        b'{"status":"success"}',
        b'{"status":"fail","message":"no"}',
        b'{"status":"fail","result":[]}',
        b'{"status":NaN,"result":[]}',
        b'{"result":[]}',
        b'{"status" "success"}\xff',
        b'{"status":"success","result":[}]}',
        b'{"status":"success","result":["]}',
        b"}",
        b'x{"status":"success"}',
        b'{"status" "success",}',
    ],
)
def test_body_without_a_list_is_a_temporary_error(body: bytes) -> None:
    """HTML, nothing, torn or other JSON, and a failure with status 200."""
    with pytest.raises(SourceUnavailable):
        listed(body=body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (204, SourceUnavailable),
        (302, SourceUnavailable),
        (400, RequestRejected),
        (401, TokenRejected),
        (403, TokenRejected),
        (404, NotFound),
        (408, SourceUnavailable),
        (418, RequestRejected),
        (422, RequestRejected),
        (429, RateLimited),
        (500, SourceUnavailable),
        (502, SourceUnavailable),
        (504, SourceUnavailable),
    ],
)
def test_every_status_means_one_error(status: int, error: type[SourceError]) -> None:
    """Whatever the body is."""
    for body in (b"", b"<html>", b'{"status":"fail","message":"x"}', PAGE):
        with pytest.raises(error, match=f"Hostaway answered GET /listings with {status}"):
            listed(status, body)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"message": "Resource not found"}, ": Resource not found"),
        ({"message": "", "result": "no such\n thing"}, ": no such thing"),
        ({"result": ["a", {"b": "c"}, 5, None]}, ""),
        ({"message": "ida berg", "result": "invalid"}, ": invalid"),
        ({"error": "invalid", "error_description": "described"}, ": described"),
        ({"message": "failed" + " again" * 300}, ": " + ("failed" + " again" * 300)[:200]),
        ({"message": " ida berg "}, " (its explanation of 8 characters may name a guest, and is not repeated)"),
        ({"message": "token eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiI3MDAwMSJ9 is bad"}, ": token … is bad"),
        ({"message": 5}, ""),
        ([], ""),
    ],
)
def test_sentence_of_the_source_is_quoted_without_secrets(answer: object, expected: str) -> None:
    """At each place of an answer, and shortened; text that looks like a token is left out."""
    with pytest.raises(RequestRejected) as caught:
        listed(400, json.dumps(answer).encode())
    assert str(caught.value) == f"Hostaway answered GET /listings with 400{expected}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"X-RateLimit-Retry-After": "soon"}, None),
        ({"X-RateLimit-Retry-After": "inf", "Retry-After": "never"}, None),
        ({"X-RateLimit-Retry-After": str(NOW.timestamp() + 7)}, 7),
        ({"x-ratelimit-retry-after": "7"}, 7),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=7), usegmt=True)}, 7),
        ({"Retry-After": "Sat, 21 Nov 2026 12:00:07 -0000"}, 7),
        ({"X-RateLimit-Retry-After": "9", "Retry-After": "30"}, 9),
        ({"X-RateLimit-Retry-After": str(NOW.timestamp() - 500)}, 1),
        ({"X-RateLimit-Retry-After": str(NOW.timestamp() + 5000)}, 60),
        ({"X-RateLimit-Retry-After": "-3"}, 1),
        ({"Retry-After": format_datetime(NOW.astimezone(timezone(timedelta(hours=2))) + timedelta(seconds=7))}, 7),
        ({"X-RateLimit-Retry-After": "1000000000"}, 60),
    ],
)
def test_429_says_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """As a Unix time, a delay or a date; never before a second or after a minute."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert limited(headers).retry_in == expected


@given(skew=st.integers(-(10**7), 10**7))
def test_wait_of_a_429_ignores_this_machines_clock(skew: int) -> None:
    """A Unix time is compared with the clock of the server that sent it."""
    server_now = NOW + timedelta(seconds=skew)
    headers = {
        "Date": format_datetime(server_now, usegmt=True),
        "X-RateLimit-Retry-After": f"{server_now.timestamp() + 8:.0f}",
    }
    assert limited(headers).retry_in == timedelta(seconds=8)


def test_429_names_its_limit_and_its_scope() -> None:
    """Where its headers have them."""
    error = limited({"X-RateLimit-Limit": "15", "X-RateLimit-Applied": " IP "})
    assert (error.limit, error.scope) == (15, "ip")
    error = limited({"X-RateLimit-Limit": "0", "X-RateLimit-Applied": ""})
    assert (error.limit, error.scope) == (None, None)


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        ("63072000", timedelta(days=730)),
        ('"63072000"', timedelta(days=730)),
        ("15897600.0", timedelta(days=184)),
        ("null", timedelta(days=1)),
        ("true", timedelta(days=1)),
        ("-5", timedelta(days=1)),
        ("0", timedelta(days=1)),
        ("1", timedelta(seconds=1)),
        ('"soon"', timedelta(days=1)),
        ("1" + "0" * 400, timedelta(days=1)),
        ("1e300", timedelta(days=3653)),
    ],
)
def test_token_lives_as_long_as_the_source_says(expires_in: str, lifetime: timedelta) -> None:
    """As a number or as text; a day where the value is unusable."""
    token = issued(f'{{"token_type":"Bearer","expires_in":{expires_in},"access_token":"abc.def"}}'.encode())
    assert token.value.get_secret_value() == "abc.def"
    assert (token.issued_at, token.expires_at) == (NOW, NOW + lifetime)


def test_token_without_a_lifetime_lives_a_day() -> None:
    """An early renewal is better than a late one."""
    assert issued(b'{"access_token":"abc"}').expires_at == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"access_token":""}', b'{"access_token":5}', b'{"access_token":"a\\nb"}']
)
def test_body_without_a_token_is_a_temporary_error(body: bytes) -> None:
    """Also one with a token that no header can hold."""
    with pytest.raises(SourceUnavailable, match="Hostaway answered a request for a token with something that holds"):
        issued(body)


def test_wrong_secret_gives_one_sentence_for_the_operator() -> None:
    """It names the account and what to check, and no secret."""
    for status in (401, 403, 400):
        with pytest.raises(CredentialsRejected) as caught:
            issued(b'{"error":"invalid_client","message":"secret hunter2 is wrong"}', status)
        assert str(caught.value) == (
            f"Hostaway does not know account 70001 with this secret ({status}): "
            "check the id and the key in the dashboard"
        )


@pytest.mark.parametrize(
    ("status", "error"), [(400, RequestRejected), (404, NotFound), (429, RateLimited), (503, SourceUnavailable)]
)
def test_token_route_fails_as_other_routes_do(status: int, error: type[SourceError]) -> None:
    """Only refused credentials mean something else there."""
    with pytest.raises(error):
        issued(b'{"error":"unsupported_grant_type"}', status)


@given(body=st.binary(max_size=60), status=st.integers(100, 599))
def test_every_answer_is_a_list_or_a_source_error(body: bytes, status: int) -> None:
    """No bytes make the decoder fail in another way."""
    for tried in (body, PAGE[:40] + body, PAGE[:-20] + body + PAGE[-20:]):
        try:
            assert isinstance(listed(status, tried), Listing)
        except SourceError as error:
            assert str(error).isprintable()  # noqa: PT017  (every error there may be)
        try:
            issued(tried, status)
        except SourceError as error:
            assert str(error).isprintable()  # noqa: PT017  (every error there may be)
