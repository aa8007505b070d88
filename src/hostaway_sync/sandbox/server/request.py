"""One request and its answer, as the routes see them: no sockets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from threading import Event

    from hostaway_sync.sandbox.server.rate_limits import Refusal
    from hostaway_sync.sandbox.switches import Switches

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        time: Unix seconds by the sandbox's clock when it came.
        path: without `/v1` and without query.
        route: method and template of the route, such as `GET /listings/{id}`; "" when there is none.
        account_id: whose token it carried, good or not; on the token route the `client_id`.
        ids: the numbers in the path.
        pairs: the whole query, where a name may stand several times; `query` has the last of each.
    """

    time: float
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client: str
    route: str = ""
    account_id: int | None = None
    ids: tuple[int, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """Return every value of `name[]`, also where its brackets hold a number."""
        return _listed(self.pairs, name)

    def form_values(self, name: str) -> list[str]:
        """Return every value of `name[]` in the body; a list in a JSON object is accepted, too."""
        listed = self.document().get(name)
        if isinstance(listed, list):
            return [str(value) for value in listed]
        return _listed(parse_qsl(self.body.decode("utf-8", "replace")), name)

    def number(self, name: str) -> int | None:
        """Return a query parameter as a whole number; None when it is absent or malformed."""
        text = self.query.get(name, "")
        return int(text) if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() else None

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty one when the body is something else."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def form(self) -> dict[str, str]:
        """Return the body as form fields; a JSON object is accepted, too."""
        fields = dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return {name: str(value) for name, value in self.document().items()} or fields


def _listed(pairs: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in pairs if re.fullmatch(re.escape(name) + r"\[\d*\]", key)]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        keep: bytes of the body that are really sent before the connection is closed; None: all, and it stays open.
        reset: send nothing and reset the connection.
        gate: half of the body is sent, then the rest waits until this is set.
        silent: nothing at all is sent until `gate` is set; then the connection is closed.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON
    keep: int | None = None
    reset: bool = False
    gate: Event | None = None
    silent: bool = False


def success_reply(result: bytes, *, rest: str = "") -> Reply:
    """Return the usual envelope; `rest` follows the result inside it."""
    return Reply(body=b'{"status":"success","result":' + result + rest.encode() + b"}")


def failure_reply(status: int, text: str, switches: Switches) -> Reply:
    """Return a refusal as Hostaway writes it; a switch decides where its sentence stands (API notes, 2.2)."""
    body: dict[str, object] = {"status": "fail", "message": text}
    if switches.fail_text != "message":
        body = {"status": "fail", "result": [text] if switches.fail_text == "list" else text}
    return Reply(status, json.dumps(body).encode())


DENIED = "The resource owner or authorization server denied the request."
MISSING = "Resource not found"


def denied_reply(status: int = 403) -> Reply:
    """Return the refusal of an invalid token, which Hostaway uses for much else (API notes, 1.2)."""
    return Reply(status, json.dumps({"status": "fail", "message": DENIED}).encode())


def rate_limited_reply(refusal: Refusal, switches: Switches, *, skew: float | None) -> Reply:
    """Return a 429; `skew` seconds are added to the time in its headers, None leaves the headers out (API notes, 3)."""
    text = f"This error occurs because your {refusal.applied} exceeded the rate limits of {refusal.limit} requests."
    reply = failure_reply(429, text, switches)
    if skew is None:
        return reply
    headers = {
        "X-RateLimit-Limit": str(refusal.limit),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Retry-After": str(int(refusal.retry_at + skew)),
        "X-RateLimit-Applied": refusal.applied,
    }
    return replace(reply, headers=headers)
