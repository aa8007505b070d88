"""What an answer of Hostaway means: (status, headers, body) → a value, or the exception that says what to do.

    200, envelope with a list      Listing
    200, envelope with an object   its exact bytes
    200, plain OAuth answer        AccessToken (only the token route has no envelope)
    401, 403                       TokenRejected; on the token route CredentialsRejected
    404                            NotFound
    408, 425, 5xx, 3xx             SourceUnavailable
    429                            RateLimited
    other 4xx                      RequestRejected
    200 with `status: fail` after a change: RequestRejected
    200 with `status: fail`, `result: null`, HTML, an empty or torn body, any other JSON: SourceUnavailable

Pure: no clock, no socket, no state. The rules are those of the API notes, 1.1, 1.2, 2.1, 2.2 and 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from pydantic import SecretStr

from hostaway_sync.errors import (
    CredentialsRejected,
    NotFound,
    RateLimited,
    RequestRejected,
    SourceError,
    SourceUnavailable,
    TokenRejected,
)
from hostaway_sync.model.records import AccessToken
from hostaway_sync.platforms.hostaway.http.headers import get_header, parse_retry_delay, parse_seconds
from hostaway_sync.platforms.hostaway.parsing import json_repair
from hostaway_sync.platforms.hostaway.parsing.casts import Misfit, as_integer
from hostaway_sync.safe_text import quote_safely

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

UNKNOWN_LIFETIME: Final = timedelta(days=1)
LONGEST_LIFETIME: Final = timedelta(days=3653)
_LONGEST_SCOPE: Final = 20
_RETRYABLE: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
_REFUSED_TOKEN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_USABLE_TOKEN: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list.

    Attributes:
        rows: the exact bytes of each row, in the order received.
        count: rows of the whole list, as Hostaway counts them; None when it does not say.
        keys: the key of each row, where the list came as an object; None: it came as an array.
    """

    rows: list[bytes]
    count: int | None
    keys: list[str] | None = None


class _Envelope(msgspec.Struct):
    status: msgspec.Raw = msgspec.Raw(b"null")
    result: msgspec.Raw = msgspec.Raw(b"null")
    count: msgspec.Raw = msgspec.Raw(b"null")


class _ListEnvelope(msgspec.Struct):
    status: msgspec.Raw
    result: list[msgspec.Raw]
    count: msgspec.Raw = msgspec.Raw(b"null")


_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)
_LISTS: Final = msgspec.json.Decoder(_ListEnvelope)


def decode_list(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, asked: str) -> Listing:
    """Return the rows of a list.

    Args:
        status: of the answer.
        headers: of the answer.
        body: of the answer.
        now: the time of this machine.
        asked: names the request in error messages, as `GET /listings`.

    Raises:
        SourceError: see the table above.
    """
    usual = _usual_list(body) if status == HTTPStatus.OK else None
    if usual is not None:
        return usual
    envelope = _opened(status, headers, body, now, asked, "a list")
    try:
        rows = json_repair.split_array(bytes(envelope.result))
    except json_repair.NotJson:
        raise SourceUnavailable(f"Hostaway answered {asked} with a result that is no list") from None
    return Listing(rows, _count(_scalar(envelope.count)))


def decode_values(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, asked: str) -> Listing:
    """Return the rows of a list that may come as an object, too: as its values (notes on resources, 6).

    Raises:
        SourceError: see the table above.
    """
    envelope = _opened(status, headers, body, now, asked, "a list")
    result, count = bytes(envelope.result), _count(_scalar(envelope.count))
    try:
        if not result.strip().startswith(b"{"):
            return Listing(json_repair.split_array(result), count)
        values = json_repair.split_object(result)
    except json_repair.NotJson:
        raise SourceUnavailable(f"Hostaway answered {asked} with a result that is no list") from None
    return Listing(list(values.values()), count, list(values))


def decode_object(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, asked: str) -> bytes:
    """Return the exact bytes of a single object, which begin with `{` and may still be no JSON; see `decode_list`.

    Raises:
        SourceError: see the table above.
    """
    envelope = _opened(status, headers, body, now, asked, "an object")
    raw = bytes(envelope.result)
    if not raw.startswith(b"{"):
        raise SourceUnavailable(f"Hostaway answered {asked} with a result that is no object")
    return raw


def decode_result(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, asked: str) -> bytes:
    """Return the exact bytes of the result of a change; see `decode_list`.

    Raises:
        SourceError: see the table above; 200 with `status: fail` is a refusal here (API notes, 2.2).
    """
    if status != HTTPStatus.OK:
        raise _refusal(status, headers, body, now, asked)
    envelope = _envelope(body)
    if envelope is not None and _scalar(envelope.status) == "fail":
        raise RequestRejected(f"Hostaway answered {asked} with status 200 and a failure{_quoted(body)}")
    return bytes(_opened(status, headers, body, now, asked, "a result").result)


def decode_token(
    status: int, headers: Mapping[str, str], body: bytes, *, now: datetime, account_id: int
) -> AccessToken:
    """Return the token that was issued at `now`; Hostaway's answer tells its lifetime, not the token itself.

    Raises:
        SourceError: see the table above.
    """
    answer = _plain(body)
    if status in _REFUSED_TOKEN or (status == HTTPStatus.BAD_REQUEST and answer.get("error") == "invalid_client"):
        raise CredentialsRejected(
            f"Hostaway does not know account {account_id} with this secret ({status}): "
            "check the id and the key in the dashboard"
        )
    if status != HTTPStatus.OK:
        raise _refusal(status, headers, body, now, "a request for a token")
    value = answer.get("access_token")
    if not isinstance(value, str) or _USABLE_TOKEN.fullmatch(value) is None:
        raise SourceUnavailable("Hostaway answered a request for a token with something that holds none")
    return AccessToken(SecretStr(value), now, now + _lifetime(answer.get("expires_in")))


def _refusal(status: int, headers: Mapping[str, str], body: bytes, now: datetime, asked: str) -> SourceError:
    sentence = f"Hostaway answered {asked} with {status}{_quoted(body)}"
    if status in _REFUSED_TOKEN:
        return TokenRejected(sentence)
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(sentence)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        scope = get_header(headers, "x-ratelimit-applied").strip().lower()[:_LONGEST_SCOPE]
        return RateLimited(
            sentence, retry_in=parse_retry_delay(headers, now), limit=_limit(headers), scope=scope or None
        )
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _RETRYABLE:
        return RequestRejected(sentence)
    return SourceUnavailable(sentence)


def _opened(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, asked: str, expected: str
) -> _Envelope:
    if status != HTTPStatus.OK:
        raise _refusal(status, headers, body, now, asked)
    envelope = _envelope(body)
    if envelope is None:
        raise SourceUnavailable(f"Hostaway answered {asked} with {_looks_like(body)} instead of {expected}")
    if _scalar(envelope.status) != "success":
        raise SourceUnavailable(f"Hostaway answered {asked} with status 200 and a failure{_quoted(body)}")
    return envelope


def _envelope(body: bytes) -> _Envelope | None:
    try:
        return _ENVELOPES.decode(body)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:  # one row that a strict JSON reader refuses must not cost its whole page
        found = json_repair.split_object(body)
    except json_repair.NotJson:
        return None
    return _Envelope(**{key: msgspec.Raw(found[key]) for key in ("status", "result", "count") if key in found})


def _usual_list(body: bytes) -> Listing | None:
    """Return a well-formed list, decoded in one fast pass; None if the body needs the careful way."""
    try:
        envelope = _LISTS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if _scalar(envelope.status) != "success":
        return None
    return Listing([bytes(row) for row in envelope.result], _count(_scalar(envelope.count)))


def _scalar(raw: bytes | msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _plain(body: bytes) -> dict[str, Any]:
    answer = _scalar(body)
    return answer if isinstance(answer, dict) else {}


def _count(value: object) -> int | None:
    try:
        count = as_integer(value)
    except Misfit:
        return None
    return count if count is not None and count >= 0 else None


def _quoted(body: bytes) -> str:
    """Return the sentence in which the answer explains a failure; other parts may hold data of guests."""
    answer = _plain(body)
    values = [answer.get(key) for key in ("message", "error_description", "result")]
    texts = [value.strip() for value in values if isinstance(value, str) and value.strip()]
    for text in texts:
        if words := quote_safely(text):
            return f": {words}"
    return f" (its explanation of {len(texts[0])} characters may name a guest, and is not repeated)" if texts else ""


def _looks_like(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "an empty body"
    if start == b"<":
        return "a page of HTML"
    return "torn or other JSON" if start in (b"{", b"[") else "plain text"


def _lifetime(value: object) -> timedelta:
    seconds = parse_seconds(value)
    if seconds is None or seconds <= 0:
        return UNKNOWN_LIFETIME
    return timedelta(seconds=min(seconds, LONGEST_LIFETIME.total_seconds()))


def _limit(headers: Mapping[str, str]) -> int | None:
    limit = _count(get_header(headers, "x-ratelimit-limit"))
    return limit or None
