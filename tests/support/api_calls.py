"""Random calls of the API, drawn from its document: of every route, with what belongs to another caller in every place.

What belongs to the other stands in a call as a text with `{n}`, the other's account: with another number the same call
is about an account that does not exist, and both must be answered alike.
"""

from __future__ import annotations

import json
import re
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
from hypothesis import strategies as st

from hostaway_sync.errors import UsageError
from hostaway_sync.model.rows.cursor import RowCursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hypothesis.strategies import SearchStrategy

Operation = tuple[str, str, dict[str, Any]]
"""Method, path and description."""

SAFE: Final = ("get", "head")
_METHODS: Final = (*SAFE, "post", "put", "patch", "delete")
_SILENCE_S: Final = 0.5
# Ids and whole keys of `tests.support.api_rows`; those without a number are the same in every account.
_THEIRS: Final = (
    *("{n}", "hostaway:{n}:7", "hostaway:{n}:5", "hostaway:{n}:9", "{n}0001", "hostaway:{n}:{n}0001"),
    *("00000000-0000-4000-8000-00000000000{n}", "{n},1", "1,{n}", " {n}", "1 OR account_id = {n}", "of-{n}"),
)
_OURS: Final = ("1", "5", "7", "8", "9", "10001", "hostaway:1:7", "00000000-0000-4000-8000-000000000001")
_WORDS: Final = ("", "messages", "messages,history,listing", "history,listing", "confirmed", "airbnb", "failed", "true")
_TIMES: Final = ("2026-05-01", "2026-05-09", "2000-01-01T00:00:00Z", "2026-02-30")
_HEADERS: Final = ("Last-Event-ID", "If-None-Match", "If-Match", "Idempotency-Key", "X-Account-ID", "Accept")
# A caller may choose the id of its request, and gets it back.
_VOLATILE: Final = re.compile(r'"request_id": ?"[^"]*"')


@dataclass(frozen=True)
class Call:
    """One request; texts in it have `{n}` for the other's account."""

    method: str
    path: str
    places: dict[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    is_stream: bool = False

    @property
    def names_another(self) -> bool:
        """Whether it is another call for another number of the other's account."""
        return "{n}" in repr(self) or any(_is_cursor(value) for _, value in (*self.query, *self.headers))

    def send(self, client: httpx.Client, other: int) -> httpx.Response:
        """Send it, about the account `other`."""
        path = self.path
        for name, value in self.places.items():
            path = path.replace(f"{{{name}}}", quote(_fill(value, other), safe=""))
        headers = [(name, _fill(value, other).strip().encode()) for name, value in self.headers]
        body = None if self.body is None else _fill(json.dumps(self.body), other).encode()
        if body is not None:
            headers.append(("Content-Type", b"application/json"))
        query = httpx.QueryParams([(name, _fill(value, other)) for name, value in self.query])
        encoded = [(name.encode(), value) for name, value in headers]
        request = client.build_request(self.method, path, params=query, headers=encoded, content=body)
        if not self.is_stream:
            return client.send(request)
        request.extensions["timeout"] |= {"read": _SILENCE_S}
        return _read_begin(client.send(request, stream=True))


def _read_begin(answer: httpx.Response) -> httpx.Response:
    """Return what a stream has to say at once; a whole answer where it is none."""
    pieces = []
    with closing(answer), suppress(httpx.ReadTimeout):
        for piece in answer.iter_bytes():
            pieces.append(piece)  # noqa: PERF402  (what was read before the silence counts)
    headers = [(name, value) for name, value in answer.headers.multi_items() if name != "content-encoding"]
    return httpx.Response(answer.status_code, headers=headers, content=b"".join(pieces))


def operations(document: dict[str, Any], methods: Sequence[str] = _METHODS) -> Iterator[Operation]:
    """Yield method, path and description of every operation."""
    for path, found in document["paths"].items():
        for method, operation in found.items():
            if method in methods:
                yield method, path, operation


def calls_of(document: dict[str, Any], operation: Operation, foreign: Sequence[str]) -> SearchStrategy[Call]:
    """Return a strategy of calls of one operation.

    Args:
        document: has the schemas.
        operation: of `operations`.
        foreign: cursors and tags that the other caller got, with `{n}` where they can be told for another account.
    """
    method, path, described = operation
    parameters = described.get("parameters", ())
    # What changes something is asked for the other's alone: ours would be gone, and nothing left to be told apart.
    ids = st.sampled_from(_THEIRS if method not in SAFE else (*_OURS, *_OURS, *_THEIRS))
    anything = st.one_of(ids, st.sampled_from((*_WORDS, *_TIMES, *foreign)), _junk())
    places = {one["name"]: st.one_of(ids, ids, ids, _junk().filter(bool)) for one in parameters if one["in"] == "path"}
    query = [
        st.tuples(st.just(one["name"]), st.one_of(*[st.none()] * 6, *[_value(one["schema"])] * 2, anything))
        for one in parameters
        if one["in"] == "query"
    ]
    stranger = st.tuples(st.sampled_from(("account_id", "accounts", "customer_id", "where")), anything)
    named = {one["name"] for one in parameters if one["in"] == "header"} | set(_HEADERS)
    header = st.tuples(st.sampled_from(sorted(named)), st.one_of(ids, st.sampled_from((*foreign, "*", "0", "9" * 12))))
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return st.builds(
        Call,
        st.just(method.upper()),
        st.just(path),
        st.fixed_dictionaries(places),
        st.tuples(*query).flatmap(lambda found: _with_stranger(found, stranger)),
        st.lists(header, max_size=2, unique_by=lambda one: one[0]).map(tuple),
        st.none() if body is None else _body(document, body, ids),
        st.just(_is_stream(described)),
    )


def harvest(document: dict[str, Any], client: httpx.Client, other: int) -> list[str]:
    """Return cursors and tags that the caller of an account is answered with, for others to try."""
    found: dict[str, None] = {}
    for method, path, operation in operations(document, ("get",)):
        known = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
        query = (("limit", "1"),) if "limit" in known else ()
        for text in ("7", "5", "{n}", "00000000-0000-4000-8000-00000000000{n}") if "{" in path else ("",):
            call = Call(
                method, path, dict.fromkeys(re.findall(r"{(\w+)}", path), text), query, is_stream=_is_stream(operation)
            )
            answer = call.send(client, other)
            if answer.status_code == 200 and "json" in answer.headers["content-type"]:
                document_of = answer.json()
                following = document_of.get("next") if isinstance(document_of, dict) else None
                found |= dict.fromkeys(filter(None, (following, answer.headers.get("etag"))))
    assert any(_is_cursor(one) for one in found)
    return list(found)


def leaks(answer: httpx.Response, other: int, sent: Call) -> list[str]:
    """Return what of another account is in an answer: body, headers or error text.

    Whole keys that the caller itself sent are no leak; texts of rows are never sent.
    """
    whole = answer.text + "".join(f"\n{name}: {value}" for name, value in answer.headers.multi_items())
    marks = [f"of-{other}", f'"account_id":"{other}"', f"{other}0001"]
    asked = _fill(repr(replace(sent, method="")), other)
    marks = [one for one in marks if one not in asked]
    return [one for one in (*marks, f"hostaway:{other}:") if one in whole and one not in asked]


def without_request(answer: httpx.Response, sent: Call, other: int) -> tuple[int, str, str | None]:
    """Return what must be the same for two calls that differ in an account alone, which the caller has not.

    An error may name what was sent.
    """
    text = _VOLATILE.sub("", answer.text)
    if not answer.is_success:
        for _, value in sorted((*sent.places.items(), *sent.query), key=lambda one: -len(one[1])):
            text = text.replace(repr(_fill(value, other)), "…")
    return answer.status_code, text, answer.headers.get("content-type")


def _is_stream(operation: dict[str, Any]) -> bool:
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


def _with_stranger(
    found: Iterable[tuple[str, Any]], stranger: SearchStrategy[tuple[str, str]]
) -> SearchStrategy[tuple[tuple[str, str], ...]]:
    """Return queries of the parameters that got a value, sometimes with one that the route does not know."""
    given = tuple((name, str(value)) for name, value in found if value is not None)
    return st.one_of(*[st.just(given)] * 6, stranger.map(lambda one: (*given, one)))


def _value(schema: dict[str, Any]) -> SearchStrategy[Any]:
    """Return values that a parameter takes, and some beside its bounds."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return st.one_of([_value(one) for one in schema[key] if one.get("type") != "null"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("type") == "integer":
        least = schema.get("minimum", 0)
        return st.sampled_from((least - 1, least, least + 1, schema.get("maximum", 10**6) + 1))
    if schema.get("type") == "boolean":
        return st.sampled_from(("true", "false"))
    if schema.get("format") in {"date", "date-time"}:
        return st.sampled_from(_TIMES)
    return st.sampled_from((*_THEIRS, *_OURS, *_WORDS))


def _body(document: dict[str, Any], schema: dict[str, Any], ids: SearchStrategy[str]) -> SearchStrategy[Any]:
    """Return bodies with the members that a schema has, most of them about the other's rows."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    members = {name: st.one_of(ids, _value(one)) for name, one in schema.get("properties", {}).items()}
    needed = schema.get("required", ())
    return st.one_of(
        st.fixed_dictionaries(
            {name: members[name] for name in needed if name in members},
            optional={name: one for name, one in members.items() if name not in needed},
        ),
        st.sampled_from(({}, [], None, "{n}")),
    )


def _junk() -> SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=12)


def _fill(text: str, other: int) -> str:
    """Return a text about an account; a cursor keeps its list and is of the account."""
    if _is_cursor(text):
        cursor = RowCursor.parse(text)
        return str(replace(cursor, account_id=other)) if cursor.account_id != 1 else text
    return text.replace("{n}", str(other))


def _is_cursor(text: str) -> bool:
    try:
        RowCursor.parse(text)
    except UsageError:
        return False
    return True
