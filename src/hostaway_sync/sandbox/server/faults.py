"""Faults that a test injects: which requests they hit, and what these get instead of the true answer or after it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any

from hostaway_sync.sandbox.server.request import DENIED, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from threading import Event

HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault does: `make_reply` gets the request and the true answer, or None when the route did not run.

    Attributes:
        make_reply: makes the answer that is sent.
        runs_route: whether the request has its effect on the world first.
    """

    make_reply: Callable[[Request, Reply | None], Reply]
    runs_route: bool = False


def status(
    code: int, body: bytes = b"", *, headers: Mapping[str, str] | None = None, content_type: str = "application/json"
) -> Effect:
    """Answer with this status, body and headers; the route does not run."""
    reply = Reply(code, body, headers or {}, content_type)
    return Effect(lambda _request, _reply: reply)


def bad_gateway(code: int = 502) -> Effect:
    """Answer as an edge server does: HTML."""
    return status(code, HTML, content_type="text/html")


def denied(code: int = 403) -> Effect:
    """Answer as to a bad token, with 403 or 401."""
    return status(code, json.dumps({"status": "fail", "message": DENIED}).encode())


def fail_with_200(text: str = "Something went wrong") -> Effect:
    """Answer 200 with `status: fail`."""
    return status(200, json.dumps({"status": "fail", "message": text}).encode())


def rate_limited(*, retry_at: float | None = None, limit: int | None = None, applied: str = "account") -> Effect:
    """Answer 429; without `retry_at` (Unix seconds, wrong ones welcome) the reply has no rate limit headers."""
    headers = {}
    if retry_at is not None:
        headers = {"X-RateLimit-Retry-After": f"{retry_at:.0f}", "X-RateLimit-Remaining": "0"}
        headers |= {"X-RateLimit-Applied": applied, "X-RateLimit-Limit": str(limit or 200)}
    body = {"status": "fail", "message": "This error occurs because your account exceeded the rate limits."}
    return status(429, json.dumps(body).encode(), headers=headers)


def connection_reset() -> Effect:
    """Reset the connection before a byte is sent; the route does not run."""
    return Effect(lambda _request, _reply: Reply(reset=True))


def silence(gate: Event) -> Effect:
    """Send nothing until `gate` is set or the sandbox stops, then close; the route does not run."""
    return Effect(lambda _request, _reply: Reply(silent=True, gate=gate))


def accepted_then(effect: Effect) -> Effect:
    """Let the route run, so that the world stores what was sent, and then answer with another effect."""
    return Effect(lambda request, _reply: effect.make_reply(request, None), runs_route=True)


def rewrite(change: Callable[[bytes], bytes]) -> Effect:
    """Send the true answer with another body."""
    return _after(lambda reply: replace(reply, body=change(reply.body)))


def change_rows(change: Callable[[list[Any]], list[Any]]) -> Effect:
    """Send the true page with other rows in its `result`; all else in the envelope stays."""

    def with_rows(body: bytes) -> bytes:
        envelope = json.loads(body)
        return json.dumps(envelope | {"result": change(envelope["result"])}).encode()

    return rewrite(with_rows)


def early_empty_page() -> Effect:
    """Send a page with no rows where there are some."""
    return change_rows(lambda _rows: [])


def null_result() -> Effect:
    """Send an envelope whose `result` is null."""
    return rewrite(lambda body: json.dumps(json.loads(body) | {"result": None}).encode())


def torn_json() -> Effect:
    """Send the first half of the body, correctly framed."""
    return rewrite(lambda body: body[: len(body) // 2])


def torn_connection() -> Effect:
    """Send half of the announced body, then close."""
    return _after(lambda reply: replace(reply, keep=len(reply.body) // 2))


def slow(gate: Event) -> Effect:
    """Send half of the body, and the rest when `gate` is set or the sandbox stops."""
    return _after(lambda reply: replace(reply, gate=gate))


def _after(change: Callable[[Reply], Reply]) -> Effect:
    return Effect(lambda _request, reply: change(reply or Reply()), runs_route=True)


@dataclass(slots=True)
class Rule:
    """An effect and the requests it is for; all conditions that are given must hold.

    Attributes:
        route: method and template, such as `GET /conversations/{id}/messages`.
        path: regular expression that is searched in the path and its query.
        skip: how many matching requests pass first.
        times: how many requests are hit; None: all.
        probability: the chance of each of these to be hit.
        hits: how many were hit so far.
    """

    effect: Effect
    method: str | None = None
    route: str | None = None
    path: str | None = None
    account_id: int | None = None
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0
    hits: int = 0
    _seen: int = field(default=0, repr=False)

    def matches(self, request: Request) -> bool:
        """Return whether the request meets all conditions but `skip`, `times` and `probability`."""
        target = request.path + "?" + "&".join(f"{name}={value}" for name, value in request.query.items())
        return (
            self.method in (None, request.method)
            and self.route in (None, request.route)
            and self.account_id in (None, request.account_id)
            and (self.path is None or re.search(self.path, target) is not None)
        )

    def counts_and_hits(self, chance: Random) -> bool:
        """Count a matching request and return whether the rule hits it."""
        self._seen += 1
        if self._seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        if self.probability < 1 and chance.random() >= self.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force; the first one that hits a request decides."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = Random(seed)  # noqa: S311 - repeatable, not secret
        self._lock = Lock()
        self._rules: list[Rule] = []

    def add(self, effect: Effect, **conditions: Any) -> Rule:  # noqa: ANN401  (whatever the API takes)
        """Add a rule; `conditions` are the fields of `Rule`. By default it hits one request."""
        rule = Rule(effect, **conditions)
        with self._lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Remove one rule."""
        with self._lock:
            self._rules.remove(rule)

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules.clear()

    def find_effect(self, request: Request) -> Effect | None:
        """Return the effect of the first rule that hits this request, or None."""
        with self._lock:
            for rule in self._rules:
                if rule.matches(request) and rule.counts_and_hits(self._chance):
                    return rule.effect
        return None
